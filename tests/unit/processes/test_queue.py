"""The order of the queue: targets take turns, moves by hand come first, nobody is held up."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.records import ProcessRecord, Queued, State
from server.processes.queue import ProcessQueue
from tests.fakes.some_records import a_record


class Observatory:
    """Queues of servers that hear of everything, and the records, claimed by their place."""

    def __init__(self, servers: int = 1) -> None:
        self.queues = [ProcessQueue() for _ in range(servers)]
        self.records: dict[int, ProcessRecord] = {}
        self._pks = itertools.count(1)

    def submit(self, target: int, pipeline: str = "Dummy", server: int = 0) -> int:
        record = a_record(next(self._pks)).evolve(target=target, pipeline=pipeline)
        with self.queues[server].place_for(record) as place:
            self.note(record.evolve(place=place))
        return record.pk

    def note(self, record: ProcessRecord) -> None:
        self.records[record.pk] = record
        for queue in self.queues:
            queue.note(record)

    def change(self, pk: int, **changes: object) -> None:
        self.note(self.records[pk].evolve(**changes))

    def move(self, pk: int, to: str) -> None:
        queue, places = self.queues[0], [each.place for each in self.waiting()]
        place = (
            queue.place_before(min(places)) if to == "front" else queue.place_behind(max(places))
        )
        self.change(pk, place=place)

    def waiting(self, pipelines: tuple[str, ...] = ()) -> list[ProcessRecord]:
        queued = [each for each in self.records.values() if each.state is State.QUEUED]
        return [each for each in queued if not pipelines or each.pipeline in pipelines]

    def claim(self, *pipelines: str) -> ProcessRecord:
        first = min(self.waiting(pipelines), key=lambda record: record.place)
        self.change(first.pk, state=State.RUNNING, attempt=first.attempt + 1)
        return first

    def end(self, pk: int, state: State = State.SUCCEEDED) -> None:
        self.change(pk, state=state)

    def drain(self) -> list[int]:
        """Claim and end all, one after the other; return their targets."""
        claimed = []
        while self.waiting():
            record = self.claim()
            claimed.append(record.target)
            self.end(record.pk)
        return claimed


def test_sixty_runs_of_a_target_do_not_hold_up_the_one_of_another() -> None:
    observatory = Observatory()
    for _ in range(60):
        observatory.submit(1)
    for _ in range(4):
        observatory.claim()
    only = observatory.submit(2)
    assert observatory.queues[0].position(only) == 1
    assert observatory.claim().pk == only


def test_a_target_alone_runs_in_the_order_of_submission() -> None:
    observatory = Observatory()
    pks = [observatory.submit(1) for _ in range(20)]
    assert observatory.queues[0].queued == pks
    observatory.claim()
    assert observatory.queues[0].queued == pks[1:]


def test_targets_take_turns_whoever_came_first() -> None:
    observatory = Observatory()
    for target, count in ((1, 5), (2, 3), (3, 1)):
        for _ in range(count):
            observatory.submit(target)
    assert observatory.drain() == [1, 2, 3, 1, 2, 1, 2, 1, 1]


def test_submits_on_several_servers_take_turns_as_on_one() -> None:
    observatory = Observatory(servers=3)
    for number in range(60):
        observatory.submit(1, server=number % 2)
    observatory.claim()
    only = observatory.submit(2, server=2)
    assert [queue.position(only) for queue in observatory.queues] == [1, 1, 1]
    assert observatory.drain()[:3] == [2, 1, 1]


def test_submits_at_the_same_time_get_turns_of_their_own() -> None:
    queue = ProcessQueue()
    other_target = a_record(3).evolve(target=2)
    with (
        queue.place_for(a_record(1)) as first,
        queue.place_for(a_record(2)) as second,
        queue.place_for(other_target) as other,
    ):
        assert first < other < second


def test_a_submit_that_failed_leaves_its_turn_to_the_next() -> None:
    queue = ProcessQueue()
    with pytest.raises(OSError, match="away"), queue.place_for(a_record(1)) as lost:
        raise OSError("away")
    with queue.place_for(a_record(1)) as place:
        assert place == lost


def test_what_was_cancelled_costs_its_target_no_turns() -> None:
    observatory = Observatory()
    gone = [observatory.submit(1) for _ in range(50)]
    others = [observatory.submit(2) for _ in range(3)]
    for pk in gone:
        observatory.end(pk, State.CANCELLED)
    back = observatory.submit(1)
    assert observatory.queues[0].queued.index(back) <= 1
    assert len(observatory.queues[0].queued) == len(others) + 1


def test_cancelling_the_first_turns_gives_nobody_a_head_start() -> None:
    observatory = Observatory()
    gone = [observatory.submit(1) for _ in range(50)]
    for _ in range(5):
        observatory.submit(1)
    for pk in gone:
        observatory.end(pk, State.CANCELLED)
    for _ in range(5):
        observatory.submit(2)
    assert Counter(observatory.drain()[:6]) == {1: 3, 2: 3}


def test_a_lost_run_keeps_its_place_and_gives_nobody_a_head_start() -> None:
    observatory = Observatory()
    lost = observatory.submit(1)
    observatory.claim()
    for _ in range(30):
        observatory.submit(1)
        observatory.claim()
    waits = observatory.submit(1)
    observatory.change(lost, state=State.QUEUED)
    for _ in range(10):
        observatory.submit(2)
    assert observatory.queues[0].position(lost) == 1
    assert observatory.queues[0].position(waits) <= 3


def test_the_last_one_moved_to_the_front_goes_first() -> None:
    observatory = Observatory()
    pks = [observatory.submit(1 + number % 2) for number in range(8)]
    observatory.claim()
    for pk in (pks[5], pks[7], pks[6]):
        observatory.move(pk, "front")
    later = observatory.submit(3)
    assert observatory.queues[0].queued[:3] == [pks[6], pks[7], pks[5]]
    assert observatory.queues[0].position(later) == 5


def test_what_is_moved_to_the_back_goes_last_and_costs_its_target_no_turn() -> None:
    observatory = Observatory()
    first = observatory.submit(2)
    for _ in range(10):
        observatory.submit(1)
    observatory.move(first, "back")
    assert observatory.queues[0].queued[-1] == first
    another = observatory.submit(2)
    assert observatory.queues[0].position(another) <= 2
    observatory.move(first, "front")
    assert observatory.queues[0].position(first) == 1


def test_a_pipeline_that_could_not_be_claimed_for_long_starves_nobody_afterwards() -> None:
    observatory = Observatory()
    for _ in range(40):
        observatory.submit(1, "On the cluster")
    for _ in range(200):
        observatory.submit(2)
        observatory.end(observatory.claim("Dummy").pk)
    waits = observatory.submit(3, "On the cluster")
    assert observatory.queues[0].position(waits) == 2
    here = [observatory.submit(2) for _ in range(2)]
    assert observatory.claim("Dummy").pk == here[0]


def test_the_order_is_the_same_after_a_restart() -> None:
    observatory = Observatory()
    for target in (1, 1, 1, 2, 1, 3, 2):
        observatory.submit(target)
    observatory.claim()
    restarted = ProcessQueue()
    restarted.set_queued(Queued.of(each) for each in observatory.waiting())
    restarted.set_running(
        each for each in observatory.records.values() if each.state is State.RUNNING
    )
    assert restarted.queued == observatory.queues[0].queued
    for target in (1, 2, 3, 4):
        new = a_record(100).evolve(target=target)
        with restarted.place_for(new) as place, observatory.queues[0].place_for(new) as same:
            assert place == same


def test_what_an_older_program_stored_without_a_place_goes_first() -> None:
    queue = ProcessQueue()
    queue.set_queued([Queued(7, 0, 1, "Dummy", 0), Queued(5, 0, 1, "Dummy", 0)])
    with queue.place_for(a_record(8)) as place:
        queue.note(a_record(8).evolve(place=place))
    assert queue.queued == [5, 7, 8]


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("submit"), st.integers(1, 4)),
            st.tuples(st.sampled_from(["claim", "end", "cancel", "lose"]), st.integers(0, 50)),
        ),
        max_size=60,
    )
)
def test_nobody_waits_for_more_than_one_run_of_each_other_target(
    steps: list[tuple[str, int]],
) -> None:
    observatory = Observatory(servers=2)
    #: by process that is the only one of its target to wait: who has been claimed since
    since: dict[int, Counter[int]] = {}
    lost: set[int] = set()
    for step, number in steps:
        if step == "submit":
            alone = all(each.target != number for each in observatory.waiting())
            pk = observatory.submit(number, server=number % 2)
            if alone:
                since[pk] = Counter()
        elif step == "claim" and observatory.waiting():
            record = observatory.claim()
            since.pop(record.pk, None)
            if record.pk not in lost:
                for counts in since.values():
                    counts[record.target] += 1
            assert all(count <= 2 for counts in since.values() for count in counts.values())
        elif step == "cancel" and (waiting := observatory.waiting()):
            pk = waiting[number % len(waiting)].pk
            since.pop(pk, None)
            observatory.end(pk, State.CANCELLED)
        running = [each for each in observatory.records.values() if each.state is State.RUNNING]
        if step in ("end", "lose") and running:
            record = running[number % len(running)]
            if step == "end":
                observatory.end(record.pk)
            else:
                lost.add(record.pk)
                observatory.change(record.pk, state=State.QUEUED)
        for queue in observatory.queues:
            by_place = sorted(observatory.waiting(), key=lambda each: each.place)
            assert queue.queued == [each.pk for each in by_place]
    while observatory.waiting():
        observatory.end(observatory.claim().pk)


def test_a_place_is_held_while_the_queue_is_read_anew() -> None:
    queue = ProcessQueue()
    with queue.place_for(a_record(2)) as first:
        queue.set_queued([])
        with queue.place_for(a_record(1)) as second:
            assert first < second
