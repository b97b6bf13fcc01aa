"""Readiness: no start where no run could start, and what `/readyz` reports later."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest

from runners.examiner import Examiner
from server.archive.derived import reexamination
from tests.fakes.sky import noise, write_fits
from tests.integration.conftest import SAMPLES, Client, Running, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=50)

ROOT = Path(__file__).parents[3]
#: `python -m server`, with a library that the template tries to import and cannot.
START = """
import sys
from runners.execution import pool
from server.__main__ import main

pool.WARM_MODULES.append("broken_library")
sys.exit(main())
"""


@pytest.mark.slow
def test_a_server_where_no_run_could_start_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "broken_library.py").write_text("raise RuntimeError('of another numpy')")
    options = ["--config", str(SAMPLES / "config.yml"), "--port", "0", "--data", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", START, *options],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))},
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert done.returncode == 2
    assert "ready" not in done.stdout
    assert done.stderr.endswith(
        "heliograph cannot start:\nNo run could start here: "
        "the first child ended with exit code 1: RuntimeError: of another numpy\n"
    )


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """Yield a server of the test's own that retries examinations soon."""
    monkeypatch.setattr(reexamination, "PAUSE_SECONDS", 0.2)
    with serving(make_config(tmp_path)) as started:
        yield started


async def problem_of(client: Client) -> str | None:
    """Return the problem that `/readyz` reports, None when ready."""
    response = await client.fetch("/readyz")
    if response.code == 200:
        return None
    assert response.code == 503
    assert "Retry-After" in response.headers
    return str(json.loads(response.body)["detail"])


async def changed(client: Client, before: str | None) -> str | None:
    """Return the problem that `/readyz` reports as soon as it changes."""
    async with asyncio.timeout(10):
        while (problem := await problem_of(client)) == before:
            await asyncio.sleep(0.01)
    return problem


@pytest.mark.skipif(not hasattr(os, "waitid"), reason="this system does not tell")
async def test_a_server_without_a_template_is_not_ready_until_it_is_started_again(
    started: Running,
) -> None:
    client = Client(started.url)
    assert await problem_of(client) is None
    kept: Any = forkserver
    os.kill(kept._forkserver._forkserver_pid, signal.SIGKILL)
    assert await changed(client, None) == (
        "The process that starts the runs ended with signal 9 (SIGKILL); it is being restarted"
    )
    async with asyncio.timeout(10):
        while await problem_of(client) is not None:
            await asyncio.sleep(0.01)
    assert (await client.run("Counts", lines=3))["state"] == "succeeded"


async def test_a_server_that_cannot_examine_files_is_not_ready(
    started: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = "The process that examines files ended with exit code 1"
    monkeypatch.setattr(Examiner, "problem", lambda _: problem)
    assert await problem_of(Client(started.url)) == problem


@pytest.mark.slow
async def test_a_file_whose_examination_was_cut_short_is_examined_again(
    running: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reexamination, "PAUSE_SECONDS", 0.2)
    others = set(examiners())
    content = write_fits(tmp_path / "a.fits", noise(), FILTER="V").read_bytes()
    with serving(make_config(tmp_path / "data")) as started:
        client = Client(started.url)
        target = await client.make_target()
        await client.upload(target, ("first.fits", content))
        [child] = set(examiners()) - others
        child.suspend()
        uploading = asyncio.ensure_future(client.upload(target, ("second.fits", content)))
        await asyncio.sleep(1)
        assert not uploading.done()
        child.kill()
        [pk] = await uploading
        async with asyncio.timeout(20):
            while (await client.call(f"/api/dataproducts/{pk}/"))["fits"] is None:
                await asyncio.sleep(0.05)
        found = (await client.call(f"/api/dataproducts/{pk}/"))["fits"]
        assert (found["filter"], found["width"]) == ("V", 80)


def examiners() -> list[psutil.Process]:
    """Return the examiners of all servers in this process."""
    children = psutil.Process().children()
    return [child for child in children if "runners.examiner" in child.cmdline()]
