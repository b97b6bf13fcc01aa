"""The specified status body, as it is kept in memory."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.core.records import ProcessRecord, State
from server.processes.status_boards import StatusBoard


def process(pk: int, created: float = 1.0, **fields: Any) -> ProcessRecord:
    given: dict[str, Any] = {
        "identifier": f"dummy_m13_{pk}",
        "process_type": "pipeline",
        "pipeline": "Dummy",
        "target": 1,
        "products": [],
        "flags": {},
    }
    return ProcessRecord(pk=pk, created=created, **given | fields)


def identifiers(board: StatusBoard, limit: int | None = None) -> list[str]:
    return [each["identifier"] for each in json.loads(board.body(1.0, limit))["processes"]]


def test_a_body_has_exactly_the_specified_keys_in_order() -> None:
    board = StatusBoard(1)
    board.put(process(51))
    body = json.loads(board.body(1564740590.527199))
    assert list(body) == ["timestamp", "processes"]
    assert body["timestamp"] == 1564740590.527199
    assert body["processes"] == [
        {
            "identifier": "dummy_m13_51",
            "created": 1.0,
            "status": "pending",
            "terminal_timestamp": None,
            "failure_message": None,
            "view_url": "/pipeline/51",
        }
    ]


def test_the_newest_process_comes_first_and_a_tie_goes_to_the_higher_pk() -> None:
    board = StatusBoard(1)
    for pk, created in ((1, 5.0), (2, 9.0), (3, 5.0)):
        board.put(process(pk, created))
    assert identifiers(board) == ["dummy_m13_2", "dummy_m13_3", "dummy_m13_1"]
    assert identifiers(board, 2) == ["dummy_m13_2", "dummy_m13_3"]


def test_an_older_record_does_not_replace_a_newer_one() -> None:
    board = StatusBoard(1)
    board.put(process(1, version=3, state=State.SUCCEEDED, status="created"))
    board.put(process(1, version=2, state=State.RUNNING, status="running"))
    assert json.loads(board.body(1.0))["processes"][0]["status"] == "created"


def test_a_change_changes_the_version_and_only_changed_processes_are_told() -> None:
    board = StatusBoard(1)
    board.put(process(1))
    board.put(process(2))
    seen = board.version
    board.put(process(1, version=2, status="Measuring"))
    board.put(process(1, version=3, status="Plotting"))
    assert board.version != seen
    assert [json.loads(entry)["status"] for entry in board.changes(seen)] == ["Plotting"]


def test_a_removed_process_is_off_the_board_and_its_version_is_new() -> None:
    board = StatusBoard(1)
    board.put(process(1))
    before = board.version
    assert board.remove(1)
    assert board.version != before
    assert not board.remove(1)
    assert identifiers(board) == []
    assert list(board.changes(before)) == []


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), max_size=30))
def test_whatever_the_order_of_writes_the_newest_version_is_shown(
    writes: list[tuple[int, int]],
) -> None:
    board = StatusBoard(1)
    for pk, version in writes:
        board.put(process(pk, float(pk), version=version, status=f"v{version}"))
    newest: dict[int, int] = {}
    for pk, version in writes:
        newest[pk] = max(version, newest.get(pk, 0))
    shown = [each["status"] for each in json.loads(board.body(1.0))["processes"]]
    assert shown == [f"v{newest[pk]}" for pk in sorted(newest, reverse=True)]
