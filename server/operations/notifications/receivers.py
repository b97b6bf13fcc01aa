"""What a receiver is to the rest: which events it wants, and a way to send it one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from server.store.notifications.deliveries import Delivery


class NotDelivered(Exception):
    """A try that failed; the message is for people and holds no secret.

    `answer` is the HTTP status if there was one, `final` whether trying again would be of no use.
    """

    def __init__(self, reason: str, *, answer: int | None = None, final: bool = False) -> None:
        super().__init__(reason)
        self.answer = answer
        self.final = final


class Receiver(Protocol):
    """Whom events go to. `at_once` deliveries at most are sent together."""

    @property
    def id(self) -> str:
        """What tells it from other receivers in the database."""

    @property
    def shown(self) -> str:
        """What people call it; it holds no secret."""

    @property
    def events(self) -> Sequence[str]:
        """The events that it wants."""

    @property
    def at_once(self) -> int:
        """How many deliveries one call of `send` takes."""

    @property
    def pause_seconds(self) -> float:
        """How long to wait after a call of `send`."""

    @property
    def claim_seconds(self) -> float:
        """How long a call of `send` may take; nobody else tries the same meanwhile."""

    async def send(self, deliveries: Sequence[Delivery]) -> int | None:
        """Deliver, and return the HTTP status if there is one. Raise NotDelivered."""
