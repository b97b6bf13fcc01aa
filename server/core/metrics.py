"""What a server counts and measures of itself. The one module that knows Prometheus's client.

Each server has a registry of its own. Those who count are given the `Metrics` and call what is
named after the event; figures that something else already knows are read when they are asked for
(`gauge`, `counter`). The values of every label are bounded: routes by pattern, pipelines by the
configured ones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    Info,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from server.core.records import ProcessRecord, State

# When each series began would be as many series again, and Prometheus does not need it. (The call
# comes without types.)
disable_created_metrics()  # type: ignore[no-untyped-call]

#: The upper ends of histograms' buckets, in seconds.
REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0)
CALL_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
RUN_SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)

#: The `route` of a request that no handler was found for, and the `pipeline` of a record whose
#: pipeline is no longer configured.
UNKNOWN_ROUTE = "unknown"
OTHER_PIPELINE = "other"
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OUTCOMES = tuple(state.value for state in State if state.ended)
_RETRIES = {"lost": "lost", "died": "failed", "interrupted": "interrupted"}

#: Returns a figure, or one for each value of a label; None while it is not known.
Reading = Callable[[], float | Mapping[str, float] | None]


class Metrics:
    """The counters and histograms of one server, and what reads its other figures."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._readings = _Readings()
        self._registry.register(self._readings)
        self._pipelines: Collection[str] = ()
        self._requests: dict[tuple[str, str, int], _Request] = {}
        self._measure_requests()
        self._measure_processes()
        self._measure_itself()

    def _counter(self, name: str, meaning: str, *labels: str) -> Counter:
        return Counter(f"heliograph_{name}", meaning, labels, registry=self._registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], *labels: str
    ) -> Histogram:
        name = f"heliograph_{name}"
        return Histogram(name, meaning, labels, registry=self._registry, buckets=buckets)

    def _measure_requests(self) -> None:
        self._http_requests = self._counter(
            "http_requests", "Requests answered", "route", "method", "status"
        )
        self._http_seconds = self._histogram(
            "http_request_seconds",
            "From a request's headers to the end of its answer",
            REQUEST_SECONDS,
            "route",
            "method",
        )
        self._http_bytes = self._counter("http_sent_bytes", "Bytes of answers' bodies")
        self._upgrades = self._counter("websocket_upgrades", "Websockets opened", "route")

    def _measure_processes(self) -> None:
        self._submitted = self._counter("processes_submitted", "Processes submitted", "pipeline")
        self._ended = self._counter("processes_ended", "Processes ended", "pipeline", "outcome")
        self._retried = self._counter(
            "runs_retried", "Runs put back in the queue", "pipeline", "reason"
        )
        self._run_seconds = self._histogram(
            "run_seconds", "Duration of runs that ended", RUN_SECONDS, "pipeline", "outcome"
        )
        self._wait_seconds = self._histogram(
            "run_wait_seconds", "From a submit to the start of its run", RUN_SECONDS, "pipeline"
        )
        self._lines = self._counter("log_lines_stored", "Lines stored in the logs of processes")
        self._segments = self._counter("log_segments_sealed", "Stretches of logs moved into files")

    def _measure_itself(self) -> None:
        self._calls = self._histogram(
            "database_call_seconds", "Duration of database calls", CALL_SECONDS, "call"
        )
        self._failed_calls = self._counter(
            "database_calls_failed", "Database calls that failed", "call"
        )
        self._lag = self._histogram(
            "event_loop_lag_seconds", "How late the event loop comes to its work", LAG_SECONDS
        )
        self._held = self._counter(
            "event_loop_holds", "Times that the event loop was held for long"
        )
        self._info = Info("heliograph_server", "This server", registry=self._registry)

    # Requests

    def request(
        self, route: str | None, method: str, status: int, seconds: float, sent_bytes: int
    ) -> None:
        """Count an answered request; `route` is None if no route's handler answered it.

        The opening of a websocket (status 101) is counted apart: it lasts as long as the viewer.
        """
        if status == 101:
            self._upgrades.labels(route or UNKNOWN_ROUTE).inc()
            return
        key = (route or UNKNOWN_ROUTE, method, status)
        known = self._requests.get(key)
        if known is None:
            known = self._known_request(*key)
        known.count.inc()
        known.seconds.observe(seconds)
        if sent_bytes:
            self._http_bytes.inc(sent_bytes)

    def _known_request(self, route: str, method: str, status: int) -> _Request:
        kind = _kind_of(method)
        made = _Request(
            self._http_requests.labels(route, kind, str(status)),
            self._http_seconds.labels(route, kind),
        )
        if kind != "other":  # as such a method may be any word
            self._requests[route, method, status] = made
        return made

    # Processes

    def name_pipelines(self, pipelines: Collection[str]) -> None:
        """Set which pipelines there are, which may change later; others are counted together.

        Their counters are shown from the start, so that a first failure is a rise.
        """
        self._pipelines = pipelines
        for name in pipelines:
            self._submitted.labels(name)
            for outcome in _OUTCOMES:
                self._ended.labels(name, outcome)

    def process_submitted(self, record: ProcessRecord) -> None:
        """Count a process that was stored."""
        self._submitted.labels(self._pipeline(record)).inc()

    def run_claimed(self, record: ProcessRecord) -> None:
        """Note how long a process has waited for its first run."""
        if record.attempt == 1 and record.started is not None:
            waited = max(0.0, record.started - record.created)
            self._wait_seconds.labels(self._pipeline(record)).observe(waited)

    def run_requeued(self, record: ProcessRecord, changes: Mapping[str, Any]) -> None:
        """Count a run that went back to the queue, by the counter that its record raises."""
        reason = next((_RETRIES[name] for name in _RETRIES if name in changes), "handed back")
        self._retried.labels(self._pipeline(record), reason).inc()

    def process_ended(self, record: ProcessRecord) -> None:
        """Count a process that has reached its last state, and the run that led there."""
        labels = (self._pipeline(record), record.state.value)
        self._ended.labels(*labels).inc()
        if record.started is not None and record.terminal_timestamp is not None:
            seconds = max(0.0, record.terminal_timestamp - record.started)
            self._run_seconds.labels(*labels).observe(seconds)

    def _pipeline(self, record: ProcessRecord) -> str:
        return record.pipeline if record.pipeline in self._pipelines else OTHER_PIPELINE

    # Storage

    def lines_stored(self, count: int) -> None:
        """Count lines of logs that were stored."""
        self._lines.inc(count)

    def segment_sealed(self) -> None:
        """Count a stretch of a log that became a file."""
        self._segments.inc()

    def database_call(self, call: str, seconds: float, succeeded: bool) -> None:
        """Note how long a call of the database took."""
        self._calls.labels(call).observe(seconds)
        if not succeeded:
            self._failed_calls.labels(call).inc()

    # The server

    def loop_lag(self, seconds: float) -> None:
        """Note how late the event loop came to something."""
        self._lag.observe(seconds)

    def loop_held(self) -> None:
        """Count that the event loop was held for long."""
        self._held.inc()

    def describe(self, **facts: str) -> None:
        """Set the facts about this server, such as its version."""
        self._info.info(facts)

    def gauge(self, name: str, meaning: str, read: Reading, label: str | None = None) -> None:
        """Show a figure that may rise and fall, read whenever the metrics are."""
        self._readings.add(_Figure(GaugeMetricFamily, name, meaning, read, label))

    def counter(self, name: str, meaning: str, read: Reading, label: str | None = None) -> None:
        """Show a figure that only rises, read whenever the metrics are."""
        self._readings.add(_Figure(CounterMetricFamily, name, meaning, read, label))

    def text(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics and their media type, in the format that a client accepts."""
        encode, media_type = choose_encoder(accept)
        return encode(self._registry), media_type


@dataclass(frozen=True, slots=True)
class _Request:
    """The counter and the histogram of one kind of request; finding them costs most."""

    count: Counter
    seconds: Histogram


@dataclass(frozen=True)
class _Figure:
    family: type[GaugeMetricFamily] | type[CounterMetricFamily]
    name: str
    meaning: str
    read: Reading
    label: str | None

    def collect(self) -> Metric | None:
        value = self.read()
        if value is None:
            return None
        if not isinstance(value, Mapping):
            return self.family(self.name, self.meaning, value=value)
        family = self.family(self.name, self.meaning, labels=[self.label or "kind"])
        for each, number in value.items():
            family.add_metric([each], number)
        return family


class _Readings(Collector):
    """The figures that are read."""

    def __init__(self) -> None:
        self._figures: list[_Figure] = []

    def add(self, figure: _Figure) -> None:
        """Read one more figure from now on."""
        self._figures.append(figure)

    def collect(self) -> Iterator[Metric]:
        """Yield what is known now."""
        for figure in self._figures:
            if (family := figure.collect()) is not None:
                yield family


def _kind_of(method: str) -> str:
    """Return whether a method reads or writes, or is none that we know."""
    if method in _READING:
        return "read"
    return "write" if method in _WRITING else "other"
