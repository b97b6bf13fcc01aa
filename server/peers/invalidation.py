"""What this server has in memory of a database that others write to, and how it is put right.

Who tells that something changed is left to `changes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from server.core.hub import Hub
from server.logs.logs import Logs
from server.processes.repository import ProcessRepository
from server.store import Store

#: What was touched: the kind of the topic and a PK.
Topic = tuple[str, int]
#: The topic of a server that cannot tell what it has changed.
EVERYTHING: Topic = ("everything", 0)
KINDS = frozenset({"process", "log", "target"})


class CacheInvalidation:
    """The records with their boards, and the ends of the logs."""

    def __init__(self, store: Store, repository: ProcessRepository, logs: Logs, hub: Hub) -> None:
        self._store = store
        self._repository = repository
        self._logs = logs
        self._hub = hub
        #: set while a wake-up is no news to other servers, as it came from them
        self.learning = False

    async def refresh(self, topics: Iterable[Topic]) -> None:
        """Read again what changed elsewhere, and wake those who wait for it."""
        pks: dict[str, set[int]] = {}
        for kind, pk in topics:
            pks.setdefault(kind, set()).add(pk)
        if EVERYTHING[0] in pks:
            await self.forget_all()
            return
        await self._learn_records(pks.get("process", set()))
        await self._learn_targets(pks.get("target", set()))
        self._apply(lambda: self._each(self._logs.grown, pks.get("log", set())))

    async def forget_all(self) -> None:
        """Nothing can be relied on any more: all is read again when somebody asks."""
        self._apply(self._logs.forget_ends)
        await self._repository.forget()
        self._apply(self._hub.wake_all)

    def set_notified(self, told: bool) -> None:
        """Whether we are told of all that others write, and need not look each time."""
        self._logs.set_notified(told)

    def knows(self, pk: int, version: int | None) -> bool:
        """Whether this version of a record is in memory, as when this server has written it."""
        return version is not None and self._repository.knows(pk, version)

    async def _learn_records(self, pks: set[int]) -> None:
        if not pks:
            return
        found = {record.pk: record for record in await self._store.processes.get_many(pks)}

        def show() -> None:
            for pk in pks:
                if pk in found:
                    self._repository.accept(found[pk])
                else:
                    self._repository.gone(pk)
                    self._logs.forget(pk)
            # What was submitted elsewhere may be for a free slot of ours.
            self._hub.wake("queue")

        self._apply(show)

    async def _learn_targets(self, pks: set[int]) -> None:
        known = {pk for pk in pks if self._repository.known_board(pk) is not None}
        if known:
            there = {target.pk for target in await self._store.targets.get_many(known)}
            self._apply(lambda: self._each(self._repository.drop_target, known - there))

    def _each(self, change: Callable[[int], object], pks: set[int]) -> None:
        for pk in pks:
            change(pk)

    def _apply(self, change: Callable[[], object]) -> None:
        self.learning = True
        try:
            change()
        finally:
            self.learning = False
