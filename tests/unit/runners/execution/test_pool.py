"""The pool: it does not start where no run could, and says so while it can start none."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from runners.execution.pool import QUOTED_CHARACTERS, Pool, WarmUpFailed

ROOT = Path(__file__).parents[4]
#: A process of its own, as it spoils the template that the tests of this one share.
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
    """Start a pool that imports such a library; what came of it."""
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
    # The template is no child of multiprocessing, unlike a run.
    library = "import multiprocessing, os\nif not multiprocessing.parent_process(): os._exit(4)"
    said = start_with(tmp_path, library)
    if sys.platform == "linux":
        assert said == "the process that starts the runs ended with exit code 4"


def test_what_the_first_child_wrote_is_quoted_in_bounds() -> None:
    error = WarmUpFailed("exit code 1", "Traceback\n" + "x" * 5000 + "\n")
    assert str(error) == "exit code 1: " + "x" * QUOTED_CHARACTERS


def goes_at_once(*_ends: Connection) -> None:
    """Do nothing, in a child."""


def template() -> int:
    """Return the PID of the process that starts the runs."""
    kept: Any = forkserver
    return int(kept._forkserver._forkserver_pid)


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell")
def test_a_dead_template_is_a_problem_until_the_next_run() -> None:
    async def scenario() -> None:
        pool = Pool(1)
        await pool.start()
        assert pool.problem() is None
        os.kill(template(), signal.SIGKILL)
        async with asyncio.timeout(10):
            while pool.problem() is None:
                await asyncio.sleep(0.01)
        assert pool.problem() == (
            "The process that starts the runs ended with signal 9 (SIGKILL); "
            "the next run restarts it"
        )
        run = await pool.launch(goes_at_once)
        assert pool.problem() is None
        await run.wait()
        run.close()
        pool.close()

    asyncio.run(scenario())
