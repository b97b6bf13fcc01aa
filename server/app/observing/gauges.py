"""The metrics that are read when they are asked for: the server's figures, its OS process."""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from server.app.observing.figures import Figures
from server.archive.storage import FileStorage
from server.core.metrics import Metrics
from server.processes.queue import ProcessQueue


@dataclass(frozen=True, kw_only=True)
class Gauged:
    """What is read; all functions return at once."""

    figures: Figures
    queue: ProcessQueue
    slots: Callable[[], int]
    running_here: Callable[[], int]
    viewers: Callable[[], Mapping[str, float]]
    connections: Callable[[], int]
    refused_connections: Callable[[], int]
    restarts: Callable[[], Mapping[str, float]]


def show_figures(metrics: Metrics, gauged: Gauged) -> None:
    """Have the metrics show the figures of a server."""
    figures, queue = gauged.figures, gauged.queue
    gauge = metrics.gauge
    gauge("heliograph_slots", "Processes that can run at once here", gauged.slots)
    gauge("heliograph_running_here", "Processes running here", gauged.running_here)
    gauge("heliograph_running", "Processes running, on all servers", lambda: len(queue.running))
    gauge("heliograph_queue_length", "Processes waiting, on all servers", lambda: len(queue.queued))
    gauge(
        "heliograph_queue_age_seconds",
        "How long the oldest process of the queue has waited, 0 without any",
        lambda: figures.queue_age_seconds() or 0.0,
    )
    gauge(
        "heliograph_failed_24h",
        "Processes that failed in the last 24 hours, on all servers",
        lambda: figures.measured.failed_24h,
    )
    gauge("heliograph_viewers", "Open websockets", gauged.viewers, "kind")
    gauge("heliograph_connections", "Open connections", gauged.connections)
    metrics.counter(
        "heliograph_connections_refused",
        "Connections over the bounds, closed at once",
        gauged.refused_connections,
    )
    metrics.counter(
        "heliograph_restarts", "Child processes started again", gauged.restarts, "child"
    )
    _show_disk(metrics, figures)


def _show_disk(metrics: Metrics, figures: Figures) -> None:
    metrics.gauge(
        "heliograph_disk_free_bytes",
        "Free on the data folder's file system",
        lambda: figures.measured.disk_free_bytes,
    )
    metrics.gauge(
        "heliograph_disk_used_bytes",
        "Used on the data folder's file system",
        lambda: figures.measured.disk_used_bytes,
    )
    metrics.gauge(
        "heliograph_database_bytes",
        "Size of the database on its disk",
        lambda: figures.measured.database_bytes,
    )


def show_storage(metrics: Metrics, files: FileStorage) -> None:
    """Have the metrics show how the storage of the files does; only a remote one can be away."""
    metrics.gauge(
        "heliograph_storage_available",
        "Whether the storage of the files answers",
        lambda: float(files.problem is None),
    )
    metrics.gauge(
        "heliograph_storage_calls",
        "Calls of a remote storage that are waited for, and those given up that go on",
        lambda: {"waiting": files.calls.busy, "given up": files.calls.stuck},
        "kind",
    )
    metrics.counter(
        "heliograph_storage_calls_failed",
        "Calls of a remote storage that failed",
        lambda: files.calls.failed_calls,
    )


def show_process(metrics: Metrics) -> None:
    """Have the metrics show this OS process, by the names that all exporters use."""
    process = psutil.Process()
    metrics.gauge("process_open_fds", "Open files and sockets", process.num_fds)
    metrics.gauge(
        "process_max_fds",
        "Limit of open files and sockets",
        lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0],
    )
    metrics.gauge(
        "process_resident_memory_bytes",
        "Resident memory of the server, without its children",
        lambda: process.memory_info().rss,
    )
    metrics.counter(
        "process_cpu_seconds",
        "Processor time of the server, without its children",
        lambda: sum(process.cpu_times()[:2]),
    )
    metrics.gauge(
        "process_start_time_seconds", "Unix time of the server's start", process.create_time
    )
