"""The end of the process that starts the runs, or a start that fails, is no verdict on a run."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import random
import signal
import sys
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from runners.execution.pool import Pool, Run
from server.core.errors import NoRoom
from server.execution import start_failures
from server.execution.start_failures import AGAIN_SECONDS, INTERRUPTED, INTERRUPTED_OFTEN
from tests.integration.conftest import Client, serving
from tests.integration.scripts import Scripts, scripted_config

pytestmark = [
    pytest.mark.gen_test(timeout=100),
    pytest.mark.timeout(120),
    pytest.mark.skipif(sys.platform != "linux", reason="runs outlive the template elsewhere"),
]

SHORT = """
import time
self.log("begins")
time.sleep(0.05)
(tmpdir / "made").write_text("made")
outputs = [tmpdir / "made"]
"""
#: Ends the process that started it, in the first attempts only.
KILLS_ITS_PARENT = """
import os, pathlib, time
count = pathlib.Path({count!r})
kills = int(count.read_text()) if count.exists() else 0
if kills < {times}:
    count.write_text(str(kills + 1))
    os.kill(os.getppid(), 9)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scripts]:
    """Yield scripts on a server of this module."""
    with serving(scripted_config(tmp_path_factory.mktemp("interruptions"))) as running:
        yield Scripts(Client(running.url))


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all further tries soon."""
    monkeypatch.setattr(start_failures, "AGAIN_SECONDS", (0.01,) * len(AGAIN_SECONDS))


def template() -> int | None:
    """Return the PID of the process that starts the runs."""
    kept: Any = forkserver
    pid: int | None = kept._forkserver._forkserver_pid
    return pid


class Killer:
    """Kills the process that starts the runs at random moments, while runs end all the same."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.killed: list[int] = []
        self.ended = 0

    async def kill(self) -> None:
        """Kill until cancelled: some templates while they warm up, others once a run has ended."""
        while True:
            ended = self.ended
            await asyncio.sleep(self._chance.uniform(0.0, 0.5))
            warming = self._chance.random() < 0.3
            while self.ended == ended and not warming:
                await asyncio.sleep(0.01)
            pid = template()
            if pid is not None and pid not in self.killed:
                self.killed.append(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
async def test_no_run_is_lost_or_failed_however_often_the_template_is_killed(
    scripts: Scripts,
) -> None:
    killer = Killer(13)
    killing = asyncio.ensure_future(killer.kill())
    records = []
    for _ in range(8):
        for pk in [await scripts.submit(SHORT) for _ in range(4)]:
            records.append(await scripts.client.until(pk, has_ended, seconds=60))
            killer.ended += 1
    killing.cancel()
    assert len(killer.killed) >= 3
    assert [record["failure_message"] for record in records] == [None] * len(records)
    assert {(record["state"], len(record["outputs"])) for record in records} == {("succeeded", 1)}


def has_ended(record: dict[str, Any]) -> bool:
    return record["terminal_timestamp"] is not None


@pytest.mark.slow
async def test_a_pipeline_that_kills_its_parent_harms_nobody_else(
    scripts: Scripts, tmp_path: Path, soon: None
) -> None:
    beside = await scripts.submit("import time; time.sleep(1)")
    await scripts.client.until(beside, lambda record: record["state"] == "running")
    script = KILLS_ITS_PARENT.format(count=str(tmp_path / "count"), times=3)
    record = await scripts.run(script)
    assert (record["state"], record["attempt"]) == ("succeeded", 4)
    texts = await scripts.texts(record["pk"])
    assert texts == [
        text
        for number in (2, 3, 4)
        for text in (f"{INTERRUPTED}. It will be tried again", f"Attempt {number} begins")
    ]
    innocent = await scripts.client.ended(beside)
    assert (innocent["state"], innocent["failure_message"]) == ("succeeded", None)


@pytest.mark.slow
async def test_a_pipeline_that_always_kills_its_parent_fails_in_the_end(
    scripts: Scripts, tmp_path: Path, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_failures, "AGAIN_SECONDS", (0.01, 0.01))
    count = tmp_path / "count"
    record = await scripts.run(KILLS_ITS_PARENT.format(count=str(count), times=99))
    assert (record["state"], record["failure_message"]) == ("failed", INTERRUPTED_OFTEN)
    assert (record["attempt"], count.read_text()) == (3, "3")


class Launches:
    """The launches of a pool: the next ones fail as they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: list[Exception] = []
        self.made = 0
        launch = Pool.launch

        async def counted(pool: Pool, *arguments: Any) -> Run:
            self.made += 1
            if self.faults:
                raise self.faults.pop()
            return await launch(pool, *arguments)

        monkeypatch.setattr(Pool, "launch", counted)


@pytest.mark.parametrize(
    "error",
    [
        EOFError(),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        BrokenPipeError(errno.EPIPE, "Broken pipe"),
        OSError(errno.EMFILE, "Too many open files"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
        MemoryError(),
        RuntimeError("can't start new thread"),
        NoRoom(),
    ],
)
async def test_a_start_that_fails_for_other_reasons_is_made_again_uncounted(
    scripts: Scripts, soon: None, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    launches = Launches(monkeypatch)
    launches.faults = [error] * 10
    record = await scripts.run("pass")
    assert (record["state"], record["attempt"], launches.made) == ("succeeded", 1, 11)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EMFILE, "x", "/a/path"), "the server has too many files open"),
        (EOFError(), "the process that starts the runs has ended"),
        (OSError(errno.EIO, "x", "/a/path"), "the server's machine reports: Input/output error"),
        (RuntimeError("a detail"), "an error of the server, which is in its log"),
    ],
)  # fmt: skip
async def test_a_start_that_fails_for_ever_ends_with_a_sentence(
    scripts: Scripts,
    soon: None,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    launches = Launches(monkeypatch)
    launches.faults = [error] * 99
    record = await scripts.run("pass")
    assert record["failure_message"] == f"The pipeline could not be started in 11 tries: {reason}"
    assert launches.made == 11
    assert record["resources"]["exit"] == "not started"


async def test_a_pipeline_that_is_gone_is_told_without_a_traceback(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    launches = Launches(monkeypatch)
    launches.faults = [start_failures.CannotRun("gone", None)]
    record = await scripts.run("pass")
    reason = "this server cannot run the pipeline gone"
    assert record["failure_message"] == f"The pipeline could not be started: {reason}"
    [told] = [each for each in caplog.records if getattr(each, "action", "") == "launch_failed"]
    assert (told.exc_info, reason in told.getMessage()) == (None, True)


async def test_a_start_that_is_to_be_made_again_can_be_cancelled(
    scripts: Scripts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_failures, "AGAIN_SECONDS", (60.0,))
    launches = Launches(monkeypatch)
    launches.faults = [EOFError()] * 99
    pk = await scripts.submit("pass")
    async with asyncio.timeout(10):
        while not launches.made:
            await asyncio.sleep(0.01)
    await scripts.client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    record = await scripts.client.ended(pk)
    assert (record["state"], record["failure_message"]) == ("cancelled", "Cancelled")
    assert launches.made == 1
