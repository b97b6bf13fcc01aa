"""The records: legal transitions, derived fields, and the way to a document and back."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.core.records import (
    MOVES,
    STATUS_OF_STATE,
    DataProduct,
    DataProductGroup,
    ProcessRecord,
    Progress,
    Record,
    Resources,
    State,
    Target,
    check_move,
)

LEGAL = {
    ("queued", "running"),
    ("queued", "cancelled"),
    ("running", "queued"),
    ("running", "succeeded"),
    ("running", "failed"),
    ("running", "cancelled"),
}

pks = st.integers(1, 2**63 - 1)
times = st.floats(0, 4e9)
texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts
anything = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
targets = st.builds(
    Target,
    pk=pks,
    created=times,
    identifier=texts,
    name=texts,
    ra=st.none() | st.floats(0, 360),
    dec=st.none() | st.floats(-90, 90),
    extra_fields=st.dictionaries(texts, anything, max_size=4),
)
products = st.builds(
    DataProduct,
    pk=pks,
    created=times,
    name=texts,
    target=pks,
    size=pks,
    sha256=texts,
    content_type=texts,
    process=st.none() | pks,
    attempt=st.none() | pks,
    fits=st.none() | st.dictionaries(texts, scalars, max_size=4),
)
groups = st.builds(
    DataProductGroup,
    pk=pks,
    created=times,
    name=texts,
    products=st.lists(pks, max_size=5),
    process=st.none() | pks,
)
amounts = st.floats(0, 1e9)
resources = st.builds(
    Resources,
    cpu_seconds=st.none() | amounts,
    peak_rss_bytes=st.none() | pks,
    exit=texts,
)
processes = st.builds(
    ProcessRecord,
    pk=pks,
    created=times,
    identifier=texts,
    process_type=st.sampled_from(["pipeline", "timelapse"]),
    pipeline=texts,
    target=pks,
    products=st.lists(pks, max_size=5),
    flags=st.dictionaries(texts, st.booleans(), max_size=4),
    state=st.sampled_from(State),
    status=texts,
    terminal_timestamp=st.none() | times,
    failure_message=st.none() | texts,
    progress=st.none() | st.builds(Progress, amounts, amounts),
    started=st.none() | times,
    attempt=st.integers(0, 100),
    log_lines=st.integers(0, 2**53),
    outputs=st.lists(pks, max_size=5),
    group=st.none() | pks,
    resources=st.none() | resources,
    owner=st.none() | texts,
    cancel_requested=st.booleans(),
)


def a_process(**changes: Any) -> ProcessRecord:
    """Make a process as a submit does."""
    plain: dict[str, Any] = {
        "pk": 51,
        "created": 1564489617.601547,
        "identifier": "dummy_m13_2019-07-30-122657",
        "process_type": "pipeline",
        "pipeline": "Dummy",
        "target": 1,
        "products": [1],
        "flags": {},
    }
    return ProcessRecord(**(plain | changes))


@pytest.mark.parametrize(("before", "after"), list(itertools.product(State, State)))
def test_a_process_moves_only_along_the_table(before: State, after: State) -> None:
    if (before, after) in LEGAL:
        check_move(before, after)
    else:
        with pytest.raises(ValueError, match=f"from {before} to {after}"):
            check_move(before, after)


def test_exactly_the_three_last_states_have_ended() -> None:
    assert {state.value for state in State if state.ended} == {"succeeded", "failed", "cancelled"}


def test_every_state_has_its_moves_and_its_specified_status() -> None:
    assert set(MOVES) == set(STATUS_OF_STATE) == set(State)
    assert STATUS_OF_STATE[State.QUEUED] == "pending"
    assert STATUS_OF_STATE[State.SUCCEEDED] == "created"


@given(st.lists(st.sampled_from(State), max_size=20))
def test_no_sequence_of_moves_leaves_a_last_state(wanted: list[State]) -> None:
    state = State.QUEUED
    for after in wanted:
        ended = state.ended
        try:
            check_move(state, after)
        except ValueError:
            continue
        assert not ended
        state = after


@given(st.one_of(targets, products, groups, processes))
def test_a_record_comes_back_from_its_document_unchanged(record: Record) -> None:
    assert type(record).from_document(record.to_document()) == record


@given(st.one_of(targets, products, groups, processes))
def test_a_document_holds_only_what_a_database_takes(record: Record) -> None:
    document = record.to_document()
    assert document["_id"] == record.pk
    assert type(record).from_document(msgspec.json.decode(msgspec.json.encode(document))) == record


@given(processes, st.dictionaries(st.sampled_from(["queue", "expires"]), st.integers()))
def test_fields_that_only_indexes_need_are_left_out(
    record: ProcessRecord, extra: dict[str, int]
) -> None:
    assert ProcessRecord.from_document(record.to_document() | extra) == record


def test_a_document_from_before_a_field_existed_gets_its_default() -> None:
    document = a_process().to_document()
    del document["cancel_requested"]
    assert not ProcessRecord.from_document(document).cancel_requested


@given(processes)
def test_evolving_makes_a_new_record_and_leaves_the_old(record: ProcessRecord) -> None:
    before = record.to_document()
    after = record.evolve(status="Measuring", version=record.version + 1)
    assert (after.status, after.version) == ("Measuring", record.version + 1)
    assert record.to_document() == before
    assert after.evolve(status=record.status, version=record.version) == record


def test_records_are_frozen() -> None:
    with pytest.raises(AttributeError):
        a_process().status = "created"  # type: ignore[misc]


def test_the_six_status_fields_come_in_the_order_of_the_specification() -> None:
    assert list(a_process().status_fields().items()) == [
        ("identifier", "dummy_m13_2019-07-30-122657"),
        ("created", 1564489617.601547),
        ("status", "pending"),
        ("terminal_timestamp", None),
        ("failure_message", None),
        ("view_url", "/pipeline/51"),
    ]


def test_only_a_pipeline_has_a_page_of_its_own_in_the_specified_api() -> None:
    assert a_process(process_type="timelapse").view_url is None


def test_the_group_has_name_and_page_once_it_exists() -> None:
    early, late = a_process(), a_process(group=37)
    assert (early.group_name, early.group_url) == (None, None)
    assert late.group_name == "dummy_m13_2019-07-30-122657_outputs"
    assert late.group_url == "/dataproducts/data/group/37/"


@given(texts)
def test_the_url_of_a_file_is_percent_encoded_ascii(name: str) -> None:
    product = DataProduct(
        pk=7, created=0.0, name=name, target=1, size=1, sha256="", content_type=""
    )
    start, _, end = product.url.rpartition("/")
    assert start == "/dataproducts/7/file"
    assert end.isascii()
    assert not set(end) & set(' ?#"<>\\')


def test_a_record_from_before_submitters_were_noted_has_none() -> None:
    document = a_process(submitted_by="alice").to_document()
    assert ProcessRecord.from_document(document).submitted_by == "alice"
    del document["submitted_by"]
    assert ProcessRecord.from_document(document).submitted_by is None
