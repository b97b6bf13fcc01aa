"""The pool: it does not start where no run could start, and reports when none can any more."""

from __future__ import annotations

import asyncio
import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import pytest

from runners.confinement.multiprocess import start_child
from runners.execution import pool as pool_module
from runners.execution.pool import QUOTED_CHARACTERS, Pool, WarmUpFailed

ROOT = Path(__file__).parents[4]
#: Run in a process of its own, as it spoils the template that these tests share.
START = """
import asyncio
from runners.execution import pool

async def start() -> None:
    try:
        await pool.Pool(1).start()
    except pool.WarmUpFailed as error:
        print(error)
    else:
        print("started")

pool.WARM_MODULES.append("broken_library")
asyncio.run(asyncio.wait_for(start(), 40))
"""


def start_with(folder: Path, library: str) -> str:
    """Start a pool that imports this library; return the outcome."""
    (folder / "broken_library.py").write_text(library, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(folder)))}
    command = [sys.executable, "-c", START]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=50, check=True
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("library", "sentence"),
    [
        # The template survives an ImportError, and dies of anything else.
        (
            "raise ImportError('libcfitsio.so is missing')",
            "the first child ended with exit code 1: ImportError: libcfitsio.so is missing",
        ),
        (
            "raise RuntimeError('of another numpy')",
            "the first child ended with exit code 1: RuntimeError: of another numpy",
        ),
        ("import os\nos._exit(3)", "the first child ended with exit code 3"),
        (
            "import os\nos.kill(os.getpid(), 11)",
            "the first child ended with signal 11 (SIGSEGV)",
        ),
        ("x = 1", "started"),
    ],
)
def test_a_library_that_cannot_be_imported_is_named_at_the_start(
    tmp_path: Path, library: str, sentence: str
) -> None:
    assert start_with(tmp_path, library) == sentence


def test_a_library_that_only_the_template_cannot_import_is_no_secret(tmp_path: Path) -> None:
    # Unlike a run, the template is not a child of multiprocessing.
    library = "import multiprocessing, os\nif not multiprocessing.parent_process(): os._exit(4)"
    said = start_with(tmp_path, library)
    if sys.platform == "linux":
        assert said == "the process that starts the runs ended with exit code 4"


def test_what_the_first_child_wrote_is_quoted_in_bounds() -> None:
    error = WarmUpFailed("exit code 1", "Traceback\n" + "x" * 5000 + "\n")
    assert str(error) == "exit code 1: " + "x" * QUOTED_CHARACTERS


def goes_at_once(*_ends: Connection) -> None:
    """Do nothing."""


def template() -> int | None:
    """Return the PID of the process that starts the runs, None while there is none."""
    kept: Any = forkserver
    pid: int | None = kept._forkserver._forkserver_pid
    return pid


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell")
def test_a_dead_template_is_a_problem_until_it_is_started_again_without_a_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "WATCH_SECONDS", 0.05)

    async def scenario() -> None:
        pool = Pool(1)
        await pool.start()
        assert pool.problem() is None
        killed = template()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        async with asyncio.timeout(10):
            while pool.problem() is None:
                await asyncio.sleep(0.01)
            assert pool.problem() == (
                "The process that starts the runs ended with signal 9 (SIGKILL); "
                "it is being restarted"
            )
            while pool.problem() is not None or template() in (None, killed):
                await asyncio.sleep(0.01)
        restarted = template()
        run = await pool.launch(goes_at_once)
        assert template() == restarted
        await run.wait()
        run.close()
        pool.close()

    asyncio.run(scenario())


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell")
@pytest.mark.parametrize("how", ["its descriptor is closed", "its exit status is taken"])
def test_a_template_of_which_multiprocessing_knows_nothing_true_is_replaced(how: str) -> None:
    kept: Any = forkserver

    def lose(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if how == "its descriptor is closed":
            kept._forkserver._forkserver_alive_fd = -1
        else:
            os.waitpid(pid, 0)

    async def scenario() -> None:
        pool = Pool(1)
        await pool.start()
        lost = template()
        assert lost is not None
        await asyncio.to_thread(lose, lost)
        for _ in range(2):
            run = await pool.launch(goes_at_once)
            assert template() not in (None, lost)
            assert await run.wait() == 0
            run.close()
        pool.close()

    asyncio.run(scenario())


def test_a_start_without_free_descriptors_leaves_none_open() -> None:
    script = """
import asyncio, os, resource
from runners.execution.pool import Pool

async def scenario():
    pool = Pool(1)
    before = len(os.listdir("/dev/fd"))
    # Room for two pipes of the four, but not for the third.
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 4, before + 4))
    for _ in range(5):
        try:
            await pool.launch(print)
        except OSError as error:
            print(error.errno)
    print(len(os.listdir("/dev/fd")) - before)

asyncio.run(scenario())
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
    )
    assert done.stdout.split() == [*[str(errno.EMFILE)] * 5, "0"]


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell")
def test_a_template_that_cannot_be_started_at_once_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(pool_module, "RESTART_SECONDS", (0.02,))
    tries: list[None] = []
    ensure_running = forkserver.ensure_running

    def fails_at_first() -> None:
        tries.append(None)
        if len(tries) < 3:
            # As when it has been reaped, but no successor can be started.
            kept: Any = forkserver
            if kept._forkserver._forkserver_pid is not None:
                os.waitpid(kept._forkserver._forkserver_pid, 0)
            kept._forkserver._forkserver_pid = None
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        ensure_running()

    async def scenario() -> None:
        pool = Pool(1)
        await pool.start()
        killed = template()
        assert killed is not None
        monkeypatch.setattr(forkserver, "ensure_running", fails_at_first)
        os.kill(killed, signal.SIGKILL)
        problems = set()
        async with asyncio.timeout(10):
            while len(tries) < 3 or pool.problem() is not None:
                problems.add(pool.problem())
                await asyncio.sleep(0.005)
        assert "The process that starts the runs cannot be started; it is being tried again" in (
            problems
        )
        assert template() not in (None, killed)
        pool.close()

    asyncio.run(scenario())


def test_a_started_child_is_not_among_those_that_multiprocessing_asks_after() -> None:
    process = multiprocessing.get_context("spawn").Process(target=int)
    start_child(cast(Any, process))
    try:
        assert process.pid is not None
        assert process not in multiprocessing.active_children()
    finally:
        process.join(20)
    assert process.exitcode == 0
