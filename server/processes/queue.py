"""What waits in the queue and what runs, on any server, as far as it is known here.

Learned by the repository at the start, then kept up to date with each record that it is told of.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from server.core.records import ProcessRecord, State


class ProcessQueue:
    """All processes that have not ended: `queued` and `running` are read by many."""

    def __init__(self) -> None:
        #: the PKs in the order in which they will be claimed
        self.queued: list[int] = []
        #: the identifier of each by PK
        self.running: dict[int, str] = {}

    def position(self, pk: int) -> int:
        """The position of a waiting process, 1 being that of the next to be claimed."""
        return 1 + bisect_left(self.queued, pk)

    def note(self, record: ProcessRecord) -> None:
        """Take the newest state of a process."""
        self.forget(record.pk)
        if record.state is State.QUEUED:
            insort(self.queued, record.pk)
        elif record.state is State.RUNNING:
            self.running[record.pk] = record.identifier

    def forget(self, pk: int) -> None:
        """Forget a process; an unknown one is fine."""
        place = bisect_left(self.queued, pk)
        if place < len(self.queued) and self.queued[place] == pk:
            del self.queued[place]
        self.running.pop(pk, None)
