"""What this server caches of a database that others write to, and how it is brought up to date.

Who reports that something has changed is left to `exchange`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

from server.core import changes
from server.core.changes import Topic
from server.core.hub import EVERYTHING, Hub
from server.logs.logs import Logs
from server.processes.repository import ProcessRepository
from server.store import Store

#: The kinds that wake those who wait, and that no cache depends on.
UNCACHED = frozenset({changes.TARGET, changes.REMOVALS, *changes.OUTPUTS})
KINDS = frozenset({"process", "log", "target"}) | UNCACHED


class CacheInvalidation:
    """The caches: records with their boards, and the ends of the logs."""

    def __init__(self, store: Store, repository: ProcessRepository, logs: Logs, hub: Hub) -> None:
        self._store = store
        self._repository = repository
        self._logs = logs
        self._hub = hub
        #: Whether changes of other servers are being applied just now.
        self._applying = False

    def listen(self, listener: Callable[[Topic], object], kinds: frozenset[str] = KINDS) -> None:
        """Call the listener with each topic of these kinds that this server itself changes."""

        def woken(topic: Hashable) -> None:
            # A wake-up that comes from another server is no news to the others.
            if not self._applying and isinstance(topic, tuple) and topic[0] in kinds:
                listener(topic)

        self._hub.listen(woken)

    async def refresh(self, topics: Iterable[Topic]) -> None:
        """Read again what other servers have changed, and wake those who wait for it."""
        pks: dict[str, set[int]] = {}
        for kind, pk in topics:
            pks.setdefault(kind, set()).add(pk)
        if EVERYTHING[0] in pks:
            await self.forget_all()
            return
        await self._refresh_records(pks.get("process", set()))
        await self._refresh_targets(pks.get("target", set()) | pks.get(changes.TARGET, set()))
        self._apply(lambda: _each(self._logs.grown, pks.get("log", set())))
        self._apply(lambda: self._wake(pks))

    async def forget_all(self) -> None:
        """Invalidate everything, so that it is read again when it is needed."""
        self._apply(self._logs.forget_ends)
        await self._repository.forget()
        self._apply(self._hub.wake_all)

    def set_notified(self, notified: bool) -> None:
        """Set whether all that others write is reported here, so that nobody need poll for it."""
        self._logs.set_notified(notified)

    def knows(self, pk: int, version: int | None) -> bool:
        """Return whether this version of a record is cached, as when this server has written it."""
        return version is not None and self._repository.knows(pk, version)

    async def _refresh_records(self, pks: set[int]) -> None:
        if not pks:
            return
        found = {record.pk: record for record in await self._store.processes.get_many(pks)}

        def show() -> None:
            for pk in pks:
                if pk in found:
                    self._repository.accept(found[pk])
                else:
                    self._repository.gone(pk)
                if pk not in found or found[pk].log_removed is not None:
                    self._logs.forget(pk)
            # What was submitted elsewhere may be for a free slot of this server.
            self._hub.wake("queue")

        self._apply(show)

    async def _refresh_targets(self, pks: set[int]) -> None:
        known = {pk for pk in pks if self._repository.known_board(pk) is not None}
        if known:
            existing = {target.pk for target in await self._store.targets.get_many(known)}
            self._apply(lambda: _each(self._repository.drop_target, known - existing))

    def _wake(self, pks: dict[str, set[int]]) -> None:
        """Wake those who wait for what is not cached."""
        for kind in UNCACHED:
            for pk in pks.get(kind, ()):
                self._hub.wake((kind, pk))

    def _apply(self, change: Callable[[], object]) -> None:
        self._applying = True
        try:
            change()
        finally:
            self._applying = False


def _each(change: Callable[[int], object], pks: set[int]) -> None:
    for pk in pks:
        change(pk)
