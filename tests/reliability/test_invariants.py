"""The checker itself: a sound state passes, and each kind of damage is found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.reliability.tools.invariants import Promises, violations
from tests.reliability.tools.snapshot import Snapshot

RECORD: dict[str, Any] = {
    "_id": 7,
    "identifier": "makes_m13_2026-11-24-120000",
    "pipeline": "Makes",
    "created": 10.0,
    "state": "succeeded",
    "status": "created",
    "terminal_timestamp": 12.0,
    "failure_message": None,
    "attempt": 2,
    "log_lines": 4,
    "outputs": [3, 4],
    "group": 2,
    "series": 11,
    "owner": None,
    "ended": "succeeded\x1f000000000007",
}


SEGMENT: dict[str, Any] = {
    "process": 7,
    "first": 1,
    "last": 2,
    "file": "log-7/1-a.segment",
    "size": 5,
    "sha256": "ab",
}


def product(pk: int, process: int | None = 7) -> dict[str, Any]:
    """Make a product whose bytes are its PK."""
    attempt = None if process is None else 2
    digest = hashlib.sha256(str(pk).encode()).hexdigest()
    fields = {"_id": pk, "name": f"{pk}.txt", "size": 1, "sha256": digest}
    return fields | {"process": process, "attempt": attempt, "fits": {"exposure": 30.0}}


def sound() -> tuple[Snapshot, Promises]:
    """Return an upload, a process that succeeded at its second attempt, and what clients saw."""
    texts = ["line 1 of 2", "Lost", "line 1 of 2", "line 2 of 2"]
    entries: list[list[Any]] = [
        [number, 11.0, "info", text] for number, text in enumerate(texts, 1)
    ]
    pks = (1, 3, 4)
    found = Snapshot(
        processes={7: dict(RECORD)},
        products={1: product(1, None), 3: product(3), 4: product(4)},
        groups={2: {"_id": 2, "process": 7, "products": [3, 4]}},
        series={7: {11: 3}},
        receipts={7},
        memberships={3, 4},
        logs={7: list(zip((1, 1, 2, 2), entries, strict=True))},
        submissions=[{"key": "a", "process": 7}],
        segments=[SEGMENT],
        files={f"{pk}/{pk}.txt": (1, hashlib.sha256(str(pk).encode()).hexdigest()) for pk in pks}
        | {SEGMENT["file"]: (SEGMENT["size"], SEGMENT["sha256"])},
    )
    promises = Promises(
        accepted={7: "a"},
        ended={7: dict(RECORD)},
        lines={7: {entry[0]: list(entry) for entry in entries}},
        uploaded={1},
    )
    return found, promises


def test_a_sound_state_has_no_violations() -> None:
    assert violations(*sound()) == []


def lose(found: Snapshot) -> None:
    del found.processes[7]


def leave_running(found: Snapshot) -> None:
    found.processes[7] |= {"state": "running", "terminal_timestamp": None, "owner": "s1"}


def end_twice(found: Snapshot) -> None:
    found.processes[7]["terminal_timestamp"] = 13.0


def drop_a_line(found: Snapshot) -> None:
    del found.logs[7][1]


def repeat_a_line(found: Snapshot) -> None:
    found.logs[7].append(deepcopy(found.logs[7][-1]))


def swap_texts(found: Snapshot) -> None:
    (_, one), (_, other) = found.logs[7][2:]
    one[3], other[3] = other[3], one[3]


def cut_the_last_attempt(found: Snapshot) -> None:
    found.logs[7].pop()
    found.processes[7]["log_lines"] = 3


def write_behind_a_later_attempt(found: Snapshot) -> None:
    found.logs[7][3] = (1, found.logs[7][3][1])


def publish_twice(found: Snapshot) -> None:
    found.products |= {5: product(5), 6: product(6)}
    found.groups[3] = {"_id": 3, "process": 7, "products": [5, 6]}


def name_too_few(found: Snapshot) -> None:
    found.processes[7]["outputs"] = [3]


def name_what_is_not_there(found: Snapshot) -> None:
    del found.products[4]


def name_another_attempts(found: Snapshot) -> None:
    found.products[3]["attempt"] = 1


def forget_the_group(found: Snapshot) -> None:
    found.groups.clear()


def forget_a_file(found: Snapshot) -> None:
    del found.files["1/1.txt"]


def leave_a_file(found: Snapshot) -> None:
    found.files["9/9.txt"] = (1, "")


def cut_a_file(found: Snapshot) -> None:
    found.files["3/3.txt"] = (0, "")


def lose_a_segment(found: Snapshot) -> None:
    del found.files["log-7/1-a.segment"]


def cut_a_segment(found: Snapshot) -> None:
    found.files["log-7/1-a.segment"] = (0, "")


def forget_a_segment(found: Snapshot) -> None:
    found.segments.clear()


def leave_a_segment(found: Snapshot) -> None:
    found.segments.append(found.segments[0] | {"process": 8})
    found.logs[8] = found.logs[7]


def overlap_segments(found: Snapshot) -> None:
    found.segments.append(found.segments[0] | {"first": 2, "last": 4})


def count_bytes_wrongly(found: Snapshot) -> None:
    found.processes[7]["log_bytes"] = 4


def forget_a_measurement(found: Snapshot) -> None:
    found.series[7][11] = 2


def measure_twice(found: Snapshot) -> None:
    found.series[7][14] = 3


def leave_a_receipt(found: Snapshot) -> None:
    found.receipts.add(8)


def leave_a_frame(found: Snapshot) -> None:
    found.films.add(8)


def leave_a_link(found: Snapshot) -> None:
    found.shared.add(8)


def lose_an_upload(found: Snapshot) -> None:
    del found.products[1], found.files["1/1.txt"]


def leave_a_folder(found: Snapshot) -> None:
    found.runs.append("runs/7")


def leave_an_upload(found: Snapshot) -> None:
    found.incoming.append("incoming/ab")


def leave_an_entry(found: Snapshot) -> None:
    found.journal.append({"_id": 1})


def leave_a_log(found: Snapshot) -> None:
    found.logs[8] = [(1, [1, 1.0, "info", "x"])]


def make_two_of_one_key(found: Snapshot) -> None:
    found.submissions.append({"key": "b", "process": 7})


def leave_unexamined(found: Snapshot) -> None:
    found.products[1] |= {"fits": None, "examinations_left": 4}


def say_by_forks(found: Snapshot, *texts: str) -> None:
    """Add lines to the last attempt."""
    log = found.logs[7]
    for number, text in enumerate(texts, len(log) + 1):
        log.append((2, [number, 11.0, "info", text]))
    found.processes[7]["log_lines"] = len(log)


def tear_a_line(found: Snapshot) -> None:
    say_by_forks(found, "fork 1 says 1 of 1", "fork 2 safork 1 says 2 of 2")


def lose_a_line_of_a_fork(found: Snapshot) -> None:
    say_by_forks(found, "fork 1 says 1 of 3", "fork 1 says 3 of 3")


def lose_the_end_of_a_fork(found: Snapshot) -> None:
    say_by_forks(found, "fork 1 says 1 of 2", "fork 2 says 1 of 1")


def test_a_fork_may_be_killed_and_begin_again() -> None:
    found, promises = sound()
    again = ["fork 1 was killed", "fork 1 says 1 of 2", "fork 1 says 2 of 2"]
    say_by_forks(found, "fork 1 says 1 of 2", "fork 2 says 1 of 1", *again)
    promises.ended.clear()
    assert violations(found, promises) == []


def fail_a_success(found: Snapshot) -> None:
    found.processes[7] |= {"state": "failed", "status": "failed"}


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lose, "accepted by a, is lost"),
        (leave_running, "has not ended"),
        (end_twice, "had ended with terminal_timestamp 12.0, it is 13.0"),
        (drop_a_line, "has the lines 1-1, 3-4"),
        (repeat_a_line, "has the lines 1-4, 4-4"),
        (swap_texts, "attempt 2 of process 7 said 2-2, 1-1"),
        (cut_the_last_attempt, "succeeded, its lines end at 1"),
        (write_behind_a_later_attempt, "writes behind a later one"),
        (publish_twice, "named by no record"),
        (name_too_few, "is succeeded with outputs [3]"),
        (name_what_is_not_there, "names product 4, which is not its own"),
        (name_another_attempts, "names product 3, which is not its own"),
        (forget_the_group, "names group 2, which is not its own"),
        (forget_a_file, "file 1/1.txt of a product is missing"),
        (leave_a_file, "file 9/9.txt belongs to no product"),
        (lose_a_segment, "file log-7/1-a.segment of a log is missing"),
        (cut_a_segment, "file log-7/1-a.segment is not what its log says"),
        (forget_a_segment, "file log-7/1-a.segment belongs to no product and no log"),
        (leave_a_segment, "the log of process 8 is there without its record"),
        (overlap_segments, "segments of process 7 end at 2 and begin at 2"),
        (count_bytes_wrongly, "says 4 bytes of log"),
        (cut_a_file, "file 3/3.txt is not what its product says"),
        (forget_a_measurement, "names {11: 3} measurements"),
        (measure_twice, "names {11: 3} measurements"),
        (leave_a_receipt, "process 8 is gone and has measurements, receipts, frames or links"),
        (leave_a_frame, "process 8 is gone and has measurements, receipts, frames or links"),
        (leave_a_link, "process 8 is gone and has measurements, receipts, frames or links"),
        (lose_an_upload, "product 1 was uploaded and is lost"),
        (leave_a_folder, "left behind: runs/7"),
        (leave_an_upload, "left behind: incoming/ab"),
        (leave_an_entry, "left in the journal"),
        (leave_a_log, "the log of process 8 is there without its record"),
        (make_two_of_one_key, "made by two keys"),
        (leave_unexamined, "product 1 was uploaded and says None, tries left: 4"),
        (tear_a_line, "has a line that was torn: 'fork 2 safork 1"),
        (lose_a_line_of_a_fork, "fork 1 says 3 after 1"),
        (lose_the_end_of_a_fork, "its forks ended at {'1': (1, 2), '2': (1, 1)}"),
        (fail_a_success, "had ended with state succeeded, it is failed"),
    ],
)
def test_each_kind_of_damage_is_seen(damage: Callable[[Snapshot], None], words: str) -> None:
    found, promises = sound()
    damage(found)
    assert any(words in sentence for sentence in violations(found, promises)), violations(
        found, promises
    )
