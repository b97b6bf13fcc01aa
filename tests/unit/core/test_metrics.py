"""What is counted, under which labels, and that no input makes these grow without bound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from server.core.metrics import OTHER_PIPELINE, Metrics
from server.core.records import ProcessRecord, State
from tests.fakes.some_records import a_process

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return the value of each series, by its name and the values of its labels."""
    text, _ = metrics.text()
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def ended(state: State, pipeline: str = "Dummy", seconds: float = 20.0) -> ProcessRecord:
    """Return a process that ran for so many seconds and ended in this state."""
    return a_process().evolve(
        pipeline=pipeline,
        state=state,
        created=1000.0,
        started=1002.0,
        terminal_timestamp=1002.0 + seconds,
        attempt=1,
    )


def test_requests_are_counted_by_route_kind_of_method_and_status() -> None:
    metrics = Metrics()
    for method in ("GET", "HEAD", "POST", "DELETE"):
        metrics.request("/api/targets/", method, 200, 0.003, 10)
    metrics.request("/api/targets/", "GET", 404, 0.003, 10)
    found = samples(metrics)
    counted = {key[1:]: value for key, value in found.items() if key[0].endswith("requests_total")}
    assert counted == {
        ("read", "/api/targets/", "200"): 2,
        ("write", "/api/targets/", "200"): 2,
        ("read", "/api/targets/", "404"): 1,
    }
    assert found["heliograph_http_request_seconds_count", "read", "/api/targets/"] == 3
    assert found["heliograph_http_sent_bytes_total",] == 50


def test_the_opening_of_a_websocket_is_no_request_and_has_no_duration() -> None:
    metrics = Metrics()
    metrics.request("/ws/processes/<pk>/logs/", "GET", 101, 3600.0, 0)
    found = samples(metrics)
    assert found["heliograph_websocket_upgrades_total", "/ws/processes/<pk>/logs/"] == 1
    assert not any("http_request" in key[0] for key in found)


@given(st.lists(st.text(min_size=1, max_size=20), min_size=5, max_size=50, unique=True))
def test_no_method_makes_a_series_of_its_own(methods: list[str]) -> None:
    metrics = Metrics()
    for method in methods:
        metrics.request(None, method, 405, 0.1, 0)
    counted = [key for key in samples(metrics) if key[0] == "heliograph_http_requests_total"]
    assert 1 <= len(counted) <= 3
    assert {key[2] for key in counted} == {"unknown"}


def test_a_pipeline_that_is_not_configured_is_counted_as_another() -> None:
    metrics = Metrics()
    names = {"Dummy": None}
    metrics.name_pipelines(names)
    for number in range(100):
        metrics.process_ended(ended(State.FAILED, f"gone {number}"))
    metrics.process_ended(ended(State.FAILED))
    names["gone 1"] = None  # configured later
    metrics.process_ended(ended(State.FAILED, "gone 1"))
    found = samples(metrics)
    counted = {key[2]: value for key, value in found.items() if key[:2] == (TOTAL, "failed")}
    assert counted == {OTHER_PIPELINE: 100, "Dummy": 1, "gone 1": 1}


TOTAL = "heliograph_processes_ended_total"


def test_a_configured_pipeline_is_shown_before_it_has_run() -> None:
    metrics = Metrics()
    metrics.name_pipelines(["Dummy"])
    found = samples(metrics)
    assert [found[TOTAL, state, "Dummy"] for state in ("succeeded", "failed", "cancelled")] == [
        0
    ] * 3


def test_a_run_has_its_wait_and_its_duration() -> None:
    metrics = Metrics()
    metrics.name_pipelines(["Dummy"])
    metrics.run_claimed(ended(State.RUNNING))
    metrics.run_claimed(ended(State.RUNNING).evolve(attempt=2))
    metrics.process_ended(ended(State.SUCCEEDED))
    metrics.process_ended(ended(State.SUCCEEDED, seconds=-5.0))  # the clock was set back
    found = samples(metrics)
    assert found["heliograph_run_wait_seconds_count", "Dummy"] == 1
    assert found["heliograph_run_wait_seconds_sum", "Dummy"] == 2
    assert found["heliograph_run_seconds_count", "succeeded", "Dummy"] == 2
    assert found["heliograph_run_seconds_sum", "succeeded", "Dummy"] == 20


def test_a_process_that_never_started_has_no_duration() -> None:
    metrics = Metrics()
    metrics.process_ended(ended(State.CANCELLED).evolve(started=None))
    assert not any("run_seconds" in key[0] for key in samples(metrics))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lost": 1}, "lost"),
        ({"died": 1, "log_lines": 3}, "failed"),
        ({"interrupted": 2}, "interrupted"),
        ({}, "handed back"),
    ],
)
def test_a_retry_is_counted_by_its_reason(changes: dict[str, int], reason: str) -> None:
    metrics = Metrics()
    metrics.run_requeued(a_process(), changes)
    found = [key[-1] for key in samples(metrics) if key[0] == "heliograph_runs_retried_total"]
    assert found == [reason]


def test_figures_are_read_when_they_are_asked_for() -> None:
    metrics = Metrics()
    figures: dict[str, float] = {"a": 1}
    known: list[float | None] = [None]
    metrics.gauge("depth", "How deep", lambda: figures, "well")
    metrics.counter("drops", "Drops", lambda: known[0])
    assert samples(metrics)["depth", "a"] == 1
    assert ("drops_total",) not in samples(metrics)
    figures["a"], known[0] = 5, 7
    assert samples(metrics)["depth", "a"] == 5
    assert samples(metrics)["drops_total",] == 7


def test_what_a_label_holds_is_escaped() -> None:
    metrics = Metrics()
    name = 'My "pipeline"\\\nof ours'
    metrics.name_pipelines([name])
    assert samples(metrics)[TOTAL, "failed", name] == 0


def test_both_formats_are_valid() -> None:
    metrics = Metrics()
    metrics.request("/", "GET", 200, 0.1, 1)
    metrics.describe(version="1")
    text, media_type = metrics.text(OPENMETRICS)
    assert media_type.startswith("application/openmetrics-text")
    assert list(openmetrics(text.decode()))
    text, media_type = metrics.text("*/*")
    assert media_type.startswith("text/plain")
    assert list(text_string_to_metric_families(text.decode()))


def test_servers_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.lines_stored(3)
    assert samples(first)["heliograph_log_lines_stored_total",] == 3
    assert samples(second)["heliograph_log_lines_stored_total",] == 0
