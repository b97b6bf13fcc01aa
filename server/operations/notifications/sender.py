"""Sends what is due to one receiver, and tries again later, less and less often, what fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

from server.core.errors import HeliographError
from server.operations.notifications.receivers import NotDelivered, Receiver
from server.store.notifications.deliveries import Deliveries, Delivery

log = logging.getLogger(__name__)

#: Pauses before the next tries, in all a day and a half; then a delivery is given up.
BACK_OFF_SECONDS = (2.0, 10.0, 60.0, 300.0, 1_800.0, 7_200.0, 21_600.0, 43_200.0, 43_200.0)
#: Pauses differ by this part, so that what failed together does not come again together.
JITTER = 0.1
#: The pause while another server, whose clock is behind, is sending what is due here.
OTHERS_SECONDS = 5.0
#: The longest sleep: another server may have stored something for this receiver.
LONGEST_SLEEP_SECONDS = 30.0
#: The pause while the database is away.
AWAY_SECONDS = 5.0
#: How long the end of a server waits for the database.
GIVING_BACK_SECONDS = 2.0


class Sender:
    """Works through the deliveries of one receiver, the longest due ones first."""

    def __init__(self, deliveries: Deliveries, receiver: Receiver, server: str = "") -> None:
        self._deliveries = deliveries
        self._server = server
        #: the tries of other servers that are due here, by their clocks: when each was first seen
        self._others: dict[tuple[str, int], float] = {}
        self.receiver = receiver
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the background."""
        self._task = asyncio.create_task(self._run(), name=f"sender {self.receiver.id}")

    async def stop(self) -> None:
        """End; what is just being sent is due again at once."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Note that there is a new delivery."""
        self._woken.set()

    async def _run(self) -> None:
        while True:
            try:
                pause = await self.send_due()
            except HeliographError as error:
                log.warning("Deliveries wait: %s", error, extra={"action": "deliveries_deferred"})
                pause = AWAY_SECONDS
            except Exception:
                log.exception("Delivering failed", extra={"action": "deliveries_failed"})
                pause = LONGEST_SLEEP_SECONDS
            await self._sleep(pause)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, min(seconds, LONGEST_SLEEP_SECONDS))):
                await self._woken.wait()
        except TimeoutError:
            return
        self._woken.clear()

    async def send_due(self) -> float:
        """Send what is due, and return how many seconds there are to the next."""
        self._woken.clear()
        now = time.time()
        while due := await self._due(now):
            if await self._claim_and_send(due, now + self.receiver.claim_seconds):
                await asyncio.sleep(self.receiver.pause_seconds)
            now = time.time()
        if self._others:
            return OTHERS_SECONDS
        following = await self._deliveries.next_due(self.receiver.id)
        return LONGEST_SLEEP_SECONDS if following is None else following - now

    async def _claim_and_send(self, due: Sequence[Delivery], until: float) -> bool:
        """Send those that no other server has claimed; return whether there were any."""
        claimed: dict[Delivery, float] = {}  # with the time at which each was due
        try:
            for each in due:
                claim = await self._deliveries.claim(each, until, self._server)
                if claim is not None:
                    claimed[claim] = each.due
            if claimed:
                await self._send(list(claimed))
        except asyncio.CancelledError:  # the server ends
            await self._give_back(claimed)
            raise
        return bool(claimed)

    async def _give_back(self, claimed: Mapping[Delivery, float]) -> None:
        """Let the next server try at once, if the database can be asked; else when claims end."""
        with contextlib.suppress(HeliographError, TimeoutError):
            async with asyncio.timeout(GIVING_BACK_SECONDS):
                for claim, was_due in claimed.items():
                    await self._deliveries.give_back(claim, was_due)

    async def _due(self, now: float) -> list[Delivery]:
        """Return what is due and not being sent by another server, as far as one call takes."""
        limit = self.receiver.at_once
        while True:
            found = await self._deliveries.due(self.receiver.id, now, limit)
            free = [each for each in found if self._is_free(each)]
            if free or len(found) < limit:
                self._forget_others(found)
                return free[: self.receiver.at_once]
            limit *= 2

    def _is_free(self, delivery: Delivery) -> bool:
        """Return whether no other server is at it, whatever the other's clock showed."""
        if delivery.by in (None, self._server):
            return True
        now = time.monotonic()
        since = self._others.setdefault((delivery.id, delivery.tries), now)
        return now - since >= self.receiver.claim_seconds

    def _forget_others(self, found: Sequence[Delivery]) -> None:
        there = {(each.id, each.tries) for each in found if each.by not in (None, self._server)}
        self._others = {key: since for key, since in self._others.items() if key in there}

    async def _send(self, deliveries: Sequence[Delivery]) -> None:
        try:
            answer = await self.receiver.send(deliveries)
        except NotDelivered as error:
            for delivery in deliveries:
                await self._note_failure(delivery, error)
            return
        for delivery in deliveries:
            await self._deliveries.note_delivered(delivery, time.time(), answer)
            log.debug(
                "Delivery %d to %s arrived",
                delivery.pk,
                self.receiver.shown,
                extra={"action": "delivered", **_facts(delivery)},
            )

    async def _note_failure(self, delivery: Delivery, error: NotDelivered) -> None:
        now = time.time()
        if error.final or delivery.tries > len(BACK_OFF_SECONDS):
            await self._deliveries.give_up(delivery, now, str(error), error.answer)
            log.error(
                "Delivery %d to %s is given up: %s",
                delivery.pk,
                self.receiver.shown,
                error,
                extra={"action": "delivery_given_up", **_facts(delivery)},
            )
            return
        pause = BACK_OFF_SECONDS[delivery.tries - 1] * (1 + random.uniform(-JITTER, JITTER))
        await self._deliveries.note_failure(delivery, now, now + pause, str(error), error.answer)
        log.warning(
            "Delivery %d to %s failed, and is tried again in %.0f s: %s",
            delivery.pk,
            self.receiver.shown,
            pause,
            error,
            extra={"action": "delivery_failed", **_facts(delivery)},
        )


def _facts(delivery: Delivery) -> dict[str, Any]:
    return {
        "delivery": delivery.pk,
        "event": delivery.event,
        "process_pk": delivery.process,
        "tries": delivery.tries,
    }
