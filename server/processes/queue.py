"""What is queued and what is running, on any server, as far as it is known here.

Loaded by the repository at the start, then kept up to date with each record that it accepts.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable

from server.core.records import ProcessRecord, State


class ProcessQueue:
    """All processes that have not ended."""

    def __init__(self) -> None:
        #: the PKs in the order in which they will be claimed
        self.queued: list[int] = []
        #: the identifier of each by PK
        self.running: dict[int, str] = {}

    @property
    def oldest(self) -> int | None:
        """The process that was submitted first of those that are queued."""
        return self.queued[0] if self.queued else None

    def position(self, pk: int) -> int:
        """Return the position of a queued process; the next to be claimed is number 1."""
        return 1 + bisect_left(self.queued, pk)

    def set_queued(self, pks: Iterable[int]) -> None:
        """Replace what is known to be queued."""
        self.queued = sorted(pks)

    def set_running(self, records: Iterable[ProcessRecord]) -> None:
        """Replace what is known to be running."""
        self.running = {record.pk: record.identifier for record in records}

    def note(self, record: ProcessRecord) -> None:
        """Take the newest state of a process."""
        self.forget(record.pk)
        if record.state is State.QUEUED:
            insort(self.queued, record.pk)
        elif record.state is State.RUNNING:
            self.running[record.pk] = record.identifier

    def forget(self, pk: int) -> None:
        """Forget a process; an unknown one is fine."""
        index = bisect_left(self.queued, pk)
        if index < len(self.queued) and self.queued[index] == pk:
            del self.queued[index]
        self.running.pop(pk, None)
