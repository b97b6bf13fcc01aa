"""All receivers of the configuration with what makes and sends their deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from server.config import Config
from server.core.records import ProcessRecord
from server.operations.notifications.announcer import Announcer, Fields
from server.operations.notifications.mail import MAIL, MailReceiver
from server.operations.notifications.sender import Sender
from server.operations.notifications.webhook import WebhookReceiver
from server.store import Store
from server.store.notifications.deliveries import Deliveries, Delivery, DeliveryState

PASSWORD_BYTES = 4_096


class Notifications:
    """Announces the moves of processes to everyone whom the configuration names."""

    def __init__(
        self,
        store: Store,
        receivers: Sequence[WebhookReceiver | MailReceiver],
        fields: Fields,
        server: str = "",
    ) -> None:
        self._receivers = receivers
        self._senders = {each.id: Sender(store.deliveries, each, server) for each in receivers}
        self._announcer = Announcer(
            store, receivers, fields, lambda receiver: self._senders[receiver.id].wake()
        )

    def start(self) -> None:
        """Begin, in the background."""
        self._announcer.start()
        for sender in self._senders.values():
            sender.start()

    async def stop(self) -> None:
        """End; what has not been sent is sent after the next start."""
        await self._announcer.stop()
        await asyncio.gather(*(sender.stop() for sender in self._senders.values()))
        for receiver in self._receivers:
            await receiver.close()

    def moved(self, record: ProcessRecord) -> None:
        """Take note of a process that has just moved to another state."""
        self._announcer.moved(record)


class DeliveryList:
    """What is shown of the deliveries and of who gets them. Nothing in it is a secret."""

    def __init__(self, config: Config, deliveries: Deliveries) -> None:
        self._config = config
        self._deliveries = deliveries
        self._names = {each.id: each.shown for each in config.webhooks} | {MAIL: "mail"}

    def receivers(self) -> list[dict[str, Any]]:
        """Return who is told which events."""
        shown: list[dict[str, Any]] = [
            {
                "receiver": each.shown,
                "events": list(each.events),
                "signed": each.secret is not None,
            }
            for each in self._config.webhooks
        ]
        if self._config.mail.host is not None:
            shown.append({"receiver": "mail", "events": ["failed"], "signed": False})
        return shown

    async def page(
        self, *, before: int | None = None, limit: int = 100
    ) -> tuple[list[dict[str, Any]], int | None]:
        """Return a page of the deliveries, newest first, and the `before` of the next page."""
        page = await self._deliveries.page(before=before, limit=limit)
        return [self._fields(each) for each in page.items], page.next

    def _fields(self, delivery: Delivery) -> dict[str, Any]:
        waiting = delivery.state == DeliveryState.WAITING
        return {
            "pk": delivery.pk,
            "receiver": self._names.get(delivery.receiver, "not configured any more"),
            "event": delivery.event,
            "process": delivery.process,
            "created": delivery.created,
            "state": delivery.state,
            "tries": delivery.tries,
            "last_try": delivery.last_try,
            "next_try": delivery.due if waiting else None,
            "answer": delivery.answer,
            "error": delivery.error,
        }


def receivers_of(config: Config) -> list[WebhookReceiver | MailReceiver]:
    """Return all receivers."""
    receivers: list[WebhookReceiver | MailReceiver] = [
        WebhookReceiver(webhook) for webhook in config.webhooks
    ]
    if config.mail.host is not None:
        receivers.append(MailReceiver(config.mail))
    return receivers
