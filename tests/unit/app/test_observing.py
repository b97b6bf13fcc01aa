"""The figures of a server, and the watch over its event loop."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from server.app.observing import figures as figures_module
from server.app.observing.figures import Figures, Sources
from server.app.observing.loop_watch import HELD_SECONDS, LoopWatch
from server.core.errors import DatabaseAway
from server.core.metrics import Metrics
from server.core.records import ProcessRecord, State
from server.processes.queue import ProcessQueue
from tests.fakes.handler_fakes import until
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test


class World:
    """What figures are of, in a test."""

    def __init__(self) -> None:
        self.queue = ProcessQueue()
        self.failures = 3
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.away = False

    async def count(self) -> int:
        self.asked += 1
        await self.gate.wait()
        if self.away:
            raise DatabaseAway()
        return self.failures

    async def size(self) -> int:
        return 4096

    async def process(self, pk: int) -> ProcessRecord:
        if self.away:
            raise DatabaseAway()
        return a_process(pk).evolve(created=time.time() - 60)

    def figures(self, folder: str) -> Figures:
        return Figures(
            Sources(
                facts={"version": "1", "started": 1.0},
                slots=lambda: 4,
                dashboard=lambda: None,
                running_here=lambda: 1,
                viewers=lambda: 2,
                queue=self.queue,
                process=self.process,
                failures=self.count,
                database_bytes=self.size,
                folder=folder,
            )
        )


async def test_the_status_has_every_figure(tmp_path: Path) -> None:
    world = World()
    world.queue.note(a_process(7).evolve(state=State.QUEUED))
    world.queue.note(a_process(8).evolve(state=State.RUNNING))
    status = await world.figures(str(tmp_path)).status()
    assert status.pop("disk_free_bytes") > 0
    assert status.pop("disk_used_bytes") > 0
    assert status.pop("queue_age_seconds") == pytest.approx(60, abs=5)
    assert status == {
        "version": "1",
        "started": 1.0,
        "slots": 4,
        "dashboard": None,
        "running": 1,
        "running_here": 1,
        "queue_length": 1,
        "failed_24h": 3,
        "viewers": 2,
        "database_bytes": 4096,
    }


async def test_an_empty_queue_has_no_age(tmp_path: Path) -> None:
    world = World()
    world.queue.note(a_process(7).evolve(state=State.QUEUED))
    figures = world.figures(str(tmp_path))
    await figures.status()
    world.queue.forget(7)
    assert (await figures.status())["queue_age_seconds"] is None


async def test_what_is_measured_is_kept_and_measured_once_for_all_who_ask(tmp_path: Path) -> None:
    world = World()
    figures = world.figures(str(tmp_path))
    await asyncio.gather(*(figures.status() for _ in range(50)))
    world.failures = 9
    assert (await figures.status())["failed_24h"] == 3
    assert world.asked == 1


async def test_what_is_old_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures_module, "KEPT_SECONDS", 0.0)
    world = World()
    figures = world.figures(str(tmp_path))
    await figures.status()
    world.failures = 9
    assert (await figures.status())["failed_24h"] == 9


async def test_a_database_that_hangs_delays_the_first_answer_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures_module, "WAIT_SECONDS", 0.05)
    world = World()
    world.gate.clear()
    figures = world.figures(str(tmp_path))
    assert (await figures.status())["failed_24h"] is None
    started = time.monotonic()
    for _ in range(200):
        await figures.status()
    assert time.monotonic() - started < 200 * 0.05 / 2
    world.gate.set()
    await until(lambda: figures.measured.failed_24h == 3)
    figures.close()


async def test_without_a_database_the_last_figures_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures_module, "KEPT_SECONDS", 0.0)
    world = World()
    figures = world.figures(str(tmp_path))
    await figures.status()
    world.away = True
    world.queue.note(a_process(7).evolve(state=State.QUEUED))
    status = await figures.status()
    assert (status["failed_24h"], status["queue_age_seconds"]) == (3, None)
    assert (status["queue_length"], status["database_bytes"]) == (1, 4096)


async def test_a_folder_that_is_gone_is_logged_and_not_raised(
    caplog: pytest.LogCaptureFixture,
) -> None:
    status = await World().figures("/nowhere/at/all").status()
    assert status["disk_free_bytes"] is None
    assert [vars(record)["action"] for record in caplog.records] == ["figures_failed"]


def holds(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """Return the warnings that the loop was held."""
    return [vars(record) for record in caplog.records if vars(record).get("action") == "loop_held"]


def lag(metrics: Metrics) -> str:
    """Return the series about the loop."""
    lines = metrics.text()[0].decode().splitlines()
    return "\n".join(line for line in lines if line.startswith("heliograph_event_loop"))


async def test_a_held_loop_is_measured_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics()
    watch = LoopWatch(metrics)
    watch.start()
    await asyncio.sleep(0)
    end = time.monotonic() + HELD_SECONDS + 0.2
    while time.monotonic() < end:  # computes, as a defect would
        pass
    await until(lambda: holds(caplog))
    await watch.stop()
    [held] = holds(caplog)
    assert held["seconds"] >= HELD_SECONDS
    assert held["worked_seconds"] > 0
    assert "heliograph_event_loop_holds_total 1.0" in lag(metrics)


async def test_the_log_has_one_warning_a_minute(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("server.app.observing.loop_watch.time.monotonic", lambda: now[0])
    metrics = Metrics()
    watch = LoopWatch(metrics)
    for second in range(121):
        now[0] = 1000.0 + second
        watch.note(1.0, 0.5)
    assert [held["more_times"] for held in holds(caplog)] == [0, 59, 59]
    assert "heliograph_event_loop_holds_total 121.0" in lag(metrics)


async def test_a_loop_that_is_a_little_late_is_no_warning(caplog: pytest.LogCaptureFixture) -> None:
    watch = LoopWatch(Metrics())
    watch.note(HELD_SECONDS - 0.01, 0.2)
    assert holds(caplog) == []
