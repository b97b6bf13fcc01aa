"""The receipt of a process, from its record and what was stored while it ran."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from server.core.records import ProcessRecord, Resources, State
from server.processes import receipt
from server.processes.receipt import RunFacts, receipt_of
from tests.fakes.some_records import a_process, a_product

PROVENANCE: dict[str, Any] = {
    "python": "3.11.7",
    "platform": "linux x86_64",
    "packages": {"numpy": "2.4.6", "a.b$c": "1"},
    "source": {"class": "a.B", "file": "a.py", "sha256": "ab"},
}


def facts_text(**changes: Any) -> str:
    facts = RunFacts.of([a_product(7, "frame.fits", b"x")], PROVENANCE | changes)
    assert facts is not None
    return facts.to_text()


def a_run(**changes: Any) -> ProcessRecord:
    started = a_process().created + 2
    return a_process(attempt=1, state=State.RUNNING, started=started).evolve(**changes)


def test_a_finished_run_has_a_complete_receipt() -> None:
    record = a_run(
        state=State.SUCCEEDED,
        terminal_timestamp=a_process().created + 5,
        resources=Resources(1.5, 10, "exit code 0"),
        flags={"deep": True},
    )
    found = msgspec.to_builtins(receipt_of(record, facts_text()))
    sha256 = a_product(7, "frame.fits", b"x").sha256
    given = {"pk": 7, "name": "frame.fits", "size": 1, "sha256": sha256}
    assert found["inputs"] == [given | {"verified": False}]
    assert found["flags"] == {"deep": True}
    assert found["environment"]["packages"] == {"numpy": "2.4.6", "a.b$c": "1"}
    assert found["source"] == {"class": "a.B", "file": "a.py", "sha256": "ab"}
    timings = found["timings"]
    assert (timings["waited_seconds"], timings["ran_seconds"]) == pytest.approx((2, 3))
    assert timings["cpu_seconds"] == 1.5
    assert found["unknown"] is None


@pytest.mark.parametrize(
    ("record", "facts", "unknown"),
    [
        (a_process(), None, receipt.NOT_YET),
        (a_process(state=State.CANCELLED), None, receipt.NEVER),
        (a_run(), None, receipt.NOT_REPORTED_YET),
        (a_run(state=State.FAILED), None, receipt.NOT_REPORTED),
        (a_run(), facts_text(source=None), receipt.NOT_IMPORTED),
        (a_run(), facts_text(source=PROVENANCE["source"] | {"sha256": None}), receipt.NO_SOURCE),
    ],
)
def test_what_is_unknown_is_stated(record: ProcessRecord, facts: str | None, unknown: str) -> None:
    found = receipt_of(record, facts)
    assert found.unknown == unknown
    assert (found.inputs is None) == (facts is None)


@pytest.mark.parametrize(
    "provenance",
    [
        {},
        PROVENANCE | {"packages": {"numpy": 2}},
        PROVENANCE | {"source": "a.py"},
        PROVENANCE | {"packages": {str(number): "1" * 100 for number in range(20_000)}},
    ],
)
def test_a_malformed_or_too_long_report_is_not_stored(provenance: dict[str, Any]) -> None:
    assert RunFacts.of([], provenance) is None


def test_a_clock_that_was_set_back_makes_no_negative_times() -> None:
    early = a_process().created - 10
    timings = receipt_of(a_run(started=early, terminal_timestamp=early - 5), None).timings
    assert (timings.waited_seconds, timings.ran_seconds) == (0, 0)


def test_inputs_whose_checksum_was_compared_are_verified() -> None:
    given = [a_product(pk, f"{pk}.fits", b"x") for pk in (7, 8)]
    facts = RunFacts.of(given, PROVENANCE)
    assert facts is not None
    read = RunFacts.from_text(facts.with_verified({8}).to_text())
    assert [each.verified for each in read.inputs] == [False, True]


def test_a_receipt_of_an_older_version_has_nothing_verified() -> None:
    facts = RunFacts.from_text(facts_text().replace(',"verified":false', ""))
    assert [each.verified for each in facts.inputs] == [False]
