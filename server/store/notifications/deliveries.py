"""The deliveries: one for each event and each receiver, kept until long after it has arrived.

Whom to tell what, and how, is left to `server.operations.notifications`.
"""

from __future__ import annotations

import enum
from dataclasses import asdict, dataclass

from server.core.errors import AlreadyTaken
from server.store.base import Page, load, upper_bound
from server.store.driver.collection import Document
from server.store.driver.connection import Database


class DeliveryState(enum.StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"  #: given up


@dataclass(frozen=True)
class Delivery:
    """One event for one receiver, with the body to send.

    `receiver` is the id of a webhook, or that of mail. `tries` have been made so far; the next one
    is due at `due` (Unix seconds). `error` is why the last try failed, `answer` its HTTP status.
    `by` is the server that is making a try just now.
    """

    pk: int
    receiver: str
    event: str
    process: int
    attempt: int
    body: str
    created: float
    state: DeliveryState = DeliveryState.WAITING
    tries: int = 0
    due: float = 0.0
    last_try: float | None = None
    answer: int | None = None
    error: str | None = None
    by: str | None = None

    @property
    def id(self) -> str:
        """What receivers tell one delivery from another by."""
        return f"{self.receiver}-{self.process}-{self.attempt}-{self.event}"


class Deliveries:
    """All deliveries. One that waits has `next`, receiver and due time, an ended one has `done`."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("deliveries")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("pk", "next", "done", "waiting"):
            await self._collection.ensure_index(field)

    async def insert(self, delivery: Delivery) -> bool:
        """Store a new delivery; return False if there is one of the same id."""
        keys = {"next": _next(delivery.receiver, delivery.due), "waiting": delivery.pk}
        try:
            await self._collection.insert({"_id": delivery.id, **asdict(delivery), **keys})
        except AlreadyTaken:
            return False
        return True

    async def due(self, receiver: str, now: float, limit: int) -> list[Delivery]:
        """Return the waiting deliveries of a receiver that are due, the longest due ones first."""
        span = {"next": {"$gte": _next(receiver, 0.0), "$lte": _next(receiver, now)}}
        return _loaded(await self._collection.find(span, sort=("next", 1), limit=limit))

    async def next_due(self, receiver: str) -> float | None:
        """Return when the next delivery of a receiver is due, None without any."""
        span = {"next": {"$gte": _next(receiver, 0.0), "$lte": _next(receiver, _END)}}
        found = await self._collection.find(span, sort=("next", 1), limit=1, fields=("due",))
        return found[0]["due"] if found else None

    async def claim(
        self, delivery: Delivery, until: float, by: str | None = None
    ) -> Delivery | None:
        """Keep others from trying a delivery before `until`; return None if one was faster.

        `by` is the server that tries; others judge by their own clocks for how long it may.
        """
        document = await self._collection.change(
            {"_id": delivery.id, "next": _next(delivery.receiver, delivery.due)},
            set={"due": until, "next": _next(delivery.receiver, until), "by": by},
            inc={"tries": 1},
        )
        return None if document is None else load(Delivery, document)

    async def give_back(self, claimed: Delivery, due: float) -> None:
        """Make a delivery due as it was before its claim, unless its try has ended."""
        await self._collection.change(
            {"_id": claimed.id, "next": _next(claimed.receiver, claimed.due)},
            set={"due": due, "next": _next(claimed.receiver, due), "by": None},
            inc={"tries": -1},
        )

    async def note_delivered(self, delivery: Delivery, now: float, answer: int | None) -> None:
        """Note that a delivery has arrived."""
        await self._end(delivery, DeliveryState.DELIVERED, now, answer, None)

    async def give_up(
        self, delivery: Delivery, now: float, error: str, answer: int | None = None
    ) -> None:
        """Note that a delivery will not be tried again."""
        await self._end(delivery, DeliveryState.FAILED, now, answer, error)

    async def note_failure(
        self, delivery: Delivery, now: float, due: float, error: str, answer: int | None = None
    ) -> None:
        """Note that a try has failed, and when the next one is due."""
        changes = {"last_try": now, "answer": answer, "error": error, "due": due, "by": None}
        await self._collection.change(
            {"_id": delivery.id, "state": DeliveryState.WAITING.value},
            set=changes | {"next": _next(delivery.receiver, due)},
        )

    async def page(self, *, before: int | None = None, limit: int = 100) -> Page[Delivery]:
        """Return a page of all deliveries, newest first."""
        span = {"pk": {"$gt": 0, "$lt": upper_bound(before)}}
        found = _loaded(await self._collection.find(span, sort=("pk", -1), limit=limit + 1))
        return Page(found[:limit], found[limit - 1].pk if len(found) > limit else None)

    async def waiting_before(self, pk: int, limit: int) -> list[Delivery]:
        """Return waiting deliveries with a lower PK, the oldest first."""
        span = {"waiting": {"$gt": 0, "$lt": pk}}
        return _loaded(await self._collection.find(span, sort=("waiting", 1), limit=limit))

    async def forget_done(self, pk: int) -> None:
        """Delete the ended deliveries with a lower PK."""
        await self._collection.delete({"done": {"$gt": 0, "$lt": pk}})

    async def _end(
        self,
        delivery: Delivery,
        state: DeliveryState,
        now: float,
        answer: int | None,
        error: str | None,
    ) -> None:
        changes = {"state": state.value, "last_try": now, "answer": answer, "error": error}
        await self._collection.change(
            {"_id": delivery.id},
            set=changes | {"done": delivery.pk},
            unset=("next", "waiting"),
        )


#: Later than any due time.
_END = 9_999_999_999.0


def _next(receiver: str, due: float) -> str:
    """Return receiver and due time, in milliseconds, as one key that sorts by both."""
    return f"{receiver}\x1f{int(1000 * min(max(due, 0.0), _END)):013d}"


def _loaded(documents: list[Document]) -> list[Delivery]:
    return [load(Delivery, document) for document in documents]
