"""What is queued and what is running, on any server, as far as it is known here.

Loaded by the repository at the start, then kept up to date with each record that it accepts. Here
each new process gets its place in the queue, so that targets take turns; claiming the first one is
left to the store.

A place is `turn * TURN + PK`. A target's processes get one turn after the other, from the present
one on, which is that of the process claimed last. So the first process of a target waits for one
process of each other target at most, however many they have queued. What was moved by hand has no
PK in its place and, as what has been claimed before, does not count for the turns of others.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from server.core.records import ProcessRecord, Queued, State
from server.store.processes.index import FIRST_TURN, TURN, place_in


class _Turns:
    """The turns of what waits, by something that the processes have in common."""

    def __init__(self) -> None:
        self._turns: defaultdict[object, list[int]] = defaultdict(list)

    def add(self, key: object, turn: int) -> None:
        insort(self._turns[key], turn)

    def remove(self, key: object, turn: int) -> None:
        turns = self._turns[key]
        del turns[bisect_left(turns, turn)]
        if not turns:
            del self._turns[key]

    def first(self, key: object) -> int | None:
        return self._turns[key][0] if key in self._turns else None

    def last(self, key: object) -> int | None:
        return self._turns[key][-1] if key in self._turns else None

    def first_of_all(self) -> int | None:
        return min((turns[0] for turns in self._turns.values()), default=None)


class Place(NamedTuple):
    """Where a process stands in the queue, and how it came there."""

    place: int
    target: int
    pipeline: str
    #: whether it waits in the order in which it was submitted, for the first time
    in_order: bool

    @property
    def turn(self) -> int:
        """The turn in which it is to be claimed."""
        return self.place // TURN


class ProcessQueue:
    """All processes that have not ended."""

    def __init__(self) -> None:
        #: the PKs in the order in which they will be claimed
        self.queued: list[int] = []
        #: the identifier of each by PK
        self.running: dict[int, str] = {}
        self._order: list[tuple[int, int]] = []  # place and PK of each of `queued`
        self._known: dict[int, Place] = {}
        #: the turns of processes that are being stored, whatever is read anew meanwhile
        self._held = _Turns()
        #: what was noted (None: forgotten) since what is stored is being read, None at other times
        self._heard: dict[int, ProcessRecord | None] | None = None
        self._loading = asyncio.Lock()
        self._forget_turns()

    @property
    def oldest(self) -> int | None:
        """The process that was submitted first of those that are queued."""
        return min(self._known, default=None)

    def position(self, pk: int) -> int:
        """Return the position of a queued process; the next to be claimed is number 1."""
        known = self._known.get(pk)
        before = len(self.queued) if known is None else bisect_left(self._order, (known.place, pk))
        return 1 + before

    async def load(
        self,
        queued: Callable[[], Awaitable[Iterable[Queued]]],
        running: Callable[[], Awaitable[Iterable[ProcessRecord]]],
    ) -> None:
        """Replace what is known by what is stored, as these two read it.

        What is noted in the meantime may be missing there, or older, so it is noted again.
        """
        async with self._loading:
            heard: dict[int, ProcessRecord | None] = {}
            self._heard = heard
            try:
                waiting, under_way = await queued(), await running()
            finally:
                self._heard = None
            self.set_queued(waiting)
            self.set_running(under_way)
            for pk, record in heard.items():
                if record is None:
                    self.forget(pk)
                else:
                    self.note(record)

    def set_queued(self, waiting: Iterable[Queued]) -> None:
        """Replace what is known to be queued."""
        self.queued, self._order, self._known = [], [], {}
        self._forget_turns()
        for each in waiting:
            self._enqueue(each)

    def set_running(self, records: Iterable[ProcessRecord]) -> None:
        """Replace what is known to be running."""
        self.running = {}
        for record in records:
            self._run(record)

    def note(self, record: ProcessRecord) -> None:
        """Take the newest state of a process."""
        if self._heard is not None:
            self._heard[record.pk] = record
        self._remove(record.pk)
        if record.state is State.QUEUED:
            self._enqueue(Queued.of(record))
        elif record.state is State.RUNNING:
            self._run(record)
        self._rest()

    def forget(self, pk: int) -> None:
        """Forget a process; an unknown one is fine."""
        if self._heard is not None:
            self._heard[pk] = None
        self._remove(pk)
        self._rest()

    # Turns

    @contextmanager
    def place_for(self, record: ProcessRecord) -> Iterator[int]:
        """Hold the next place of a target for a new process, until it is stored and noted."""
        turn = self._turn_of(record.target, record.pipeline)
        self._held.add(record.target, turn)
        try:
            yield place_in(turn, record.pk)
        finally:
            self._held.remove(record.target, turn)

    def place_before(self, first: int | None) -> int:
        """Return a place before all, `first` being the first one that is stored."""
        turn = self._present if first is None else min(first // TURN, self._present)
        return max(1, place_in(turn - 1))

    def place_behind(self, last: int | None) -> int:
        """Return a place behind all, `last` being the last one that is stored."""
        turn = self._present if last is None else max(last // TURN, self._present)
        return place_in(turn + 1)

    def _turn_of(self, target: int, pipeline: str) -> int:
        """Return the next turn of a target."""
        had = [self._by_target.last(target), self._held.last(target)]
        if target in self._served:
            had.append(self._present)
        return max(self._present_for(pipeline), *(turn + 1 for turn in had if turn is not None), 0)

    def _present_for(self, pipeline: str) -> int:
        """Return the first turn that a process of this pipeline may get."""
        first = self._by_pipeline.first(pipeline)
        if first is not None and first <= self._present:
            # Nothing of this pipeline could be claimed for a while: join those that wait for that.
            return first
        if first is None:
            first = self._by_pipeline.first_of_all()
        return self._present if first is None else max(self._present, first - 1)

    def _forget_turns(self) -> None:
        self._by_target, self._by_pipeline = _Turns(), _Turns()
        self._begin_anew()

    def _begin_anew(self) -> None:
        #: the turn of the process that was claimed last, and the targets that have had it
        self._present = FIRST_TURN
        self._served: set[int] = set()

    def _rest(self) -> None:
        if not self.queued and not self.running:
            self._begin_anew()

    # What is known

    def _enqueue(self, waiting: Queued) -> None:
        place = waiting.place or waiting.pk
        in_order = waiting.attempt == 0 and place % TURN == waiting.pk
        known = Place(place, waiting.target, waiting.pipeline, in_order)
        self._known[waiting.pk] = known
        index = bisect_left(self._order, (place, waiting.pk))
        self.queued.insert(index, waiting.pk)
        self._order.insert(index, (place, waiting.pk))
        if in_order:
            self._by_target.add(known.target, known.turn)
            self._by_pipeline.add(known.pipeline, known.turn)
        elif waiting.attempt:
            self._claimed(waiting)

    def _run(self, record: ProcessRecord) -> None:
        self.running[record.pk] = record.identifier
        self._claimed(Queued.of(record))

    def _claimed(self, process: Queued) -> None:
        """Go on to the turn of a process that was claimed."""
        turn, pk = divmod(process.place, TURN)
        if pk != process.pk or turn < self._present:
            return
        if turn > self._present:
            self._present = turn
            self._served.clear()
        self._served.add(process.target)

    def _remove(self, pk: int) -> None:
        self.running.pop(pk, None)
        if (known := self._known.pop(pk, None)) is None:
            return
        index = bisect_left(self._order, (known.place, pk))
        del self.queued[index], self._order[index]
        if known.in_order:
            self._by_target.remove(known.target, known.turn)
            self._by_pipeline.remove(known.pipeline, known.turn)
