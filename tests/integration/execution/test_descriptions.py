"""Describing pipelines: an author's mistake is that pipeline's error, and heals with its file."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import resource
import signal
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest

from runners.execution import registry
from runners.execution.pool import Pool
from server.config import Config, Limits, PipelineEntry
from server.processes import pipelines as pipelines_module
from server.processes.pipelines import find_pipelines
from tests.integration.conftest import Client, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=60)

GOOD = """
from runners import PipelineProcess

class Mine(PipelineProcess):
    short_name = "mine"
    def do_pipeline(self, tmpdir, **flags):
        self.log("it ran")
"""
HANGS = "import time\ntime.sleep(600)\n"
BROKEN = {
    "hangs": (HANGS, "Importing it took more than 1.5 s (limits.import_seconds)"),
    "dies": (
        "import os\nos._exit(3)\n",
        "Its process ended with exit code 3 while it was imported",
    ),
    "exits": (
        "import sys\nsys.exit(3)\n",
        "The pipeline cannot be imported: it exits (3) (exits.py, line 2)",
    ),
    "kills": (
        "import os\nos.kill(os.getpid(), 9)\n",
        "Its process ended with signal 9 (SIGKILL) while it was imported",
    ),
    "syntax": (
        "class Mine(\n",
        "The pipeline cannot be imported: '(' was never closed (syntax.py, line 1)",
    ),
    "raises": (
        "1 / 0\n",
        "The pipeline cannot be imported: division by zero (raises.py, line 1)",
    ),
    "opens": (
        "open('/no/where/secret.txt')\n",
        "The pipeline cannot be imported: No such file or directory: secret.txt (opens.py, line 1)",
    ),
    "reads": (
        "import os\nos.environ['NOWHERE']\n",
        "The pipeline cannot be imported: there is no key 'NOWHERE' (reads.py, line 2)",
    ),
    "names": (
        "from logging import nothing\n",
        "The pipeline cannot be imported: cannot import name 'nothing' from 'logging' "
        "(__init__.py) (names.py, line 1)",
    ),
    "speechless": (
        "assert False\n",
        "The pipeline cannot be imported: an unexpected error occurred (speechless.py, line 1)",
    ),
    "needs": (
        "import nowhere_at_all\n",
        "The pipeline cannot be imported: No module named 'nowhere_at_all' (needs.py, line 1)",
    ),
    "lacks": ("x = 1\n", "lacks has no class Mine"),
    "other": ("class Mine: pass\n", "other.Mine is not a subclass of PipelineProcess"),
    "flags": (
        GOOD + "    flags = {'tmpdir': {'default': False}}\n",
        "flags: 'tmpdir' is already a parameter of do_pipeline",
    ),
    "absent": (None, "The pipeline cannot be imported: No module named 'absent'"),
}


def config_of(folder: Path, *names: str, import_seconds: float = 1.5) -> Config:
    """Make the configuration of a server whose pipelines are modules of a folder."""
    return dataclasses.replace(
        make_config(folder / "data"),
        pipelines={name: PipelineEntry(path=f"{name}.Mine") for name in names},
        folder=folder,
        limits=Limits(import_seconds=import_seconds),
    )


async def errors(client: Client) -> dict[str, str | None]:
    """Return the errors of all pipelines by name."""
    listed = (await client.call("/api/pipelines/"))["pipelines"]
    return {each["name"]: each["error"] for each in listed}


@pytest.mark.slow
async def test_one_authors_mistake_stops_nobody_and_heals_with_its_file(tmp_path: Path) -> None:
    for name, (text, _) in BROKEN.items():
        if text is not None:
            (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "fine.py").write_text(GOOD)
    with serving(config_of(tmp_path, "fine", *BROKEN)) as running:
        client = Client(running.url)
        found = await errors(client)
        assert {name: found[name] for name in BROKEN} == {
            name: error for name, (_, error) in BROKEN.items()
        }
        assert found["fine"] is None
        target = await client.make_target()
        products = await client.upload(target, ("a.fits", b"x"))
        for name in BROKEN:
            body = {"target": target, "pipeline": name, "products": products}
            await client.call("/api/processes/", "POST", body, status=400)
        for name in BROKEN:
            (tmp_path / f"{name}.py").write_text(GOOD)
        async with asyncio.timeout(20):
            while any(error for name, error in (await errors(client)).items() if name in BROKEN):
                await asyncio.sleep(0.05)
        for name in ("hangs", "absent", "fine"):
            record = await client.submit(name, target, products)
            assert (await client.ended(record["pk"]))["state"] == "succeeded"


async def test_a_module_that_another_one_needs_heals_it_too(tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(f"import parts.inner\n{GOOD}")
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "inner.py").write_text("1 / 0")
    with serving(config_of(tmp_path, "user")) as running:
        client = Client(running.url)
        assert (await errors(client))["user"] == (
            "The pipeline cannot be imported: division by zero (inner.py, line 1)"
        )
        (tmp_path / "parts" / "inner.py").write_text("x = 100")
        async with asyncio.timeout(20):
            while (await errors(client))["user"]:
                await asyncio.sleep(0.05)


def template() -> int | None:
    """Return the PID of the process that starts the runs."""
    kept: Any = forkserver
    pid: int | None = kept._forkserver._forkserver_pid
    return pid


async def test_a_template_that_dies_while_a_class_is_described_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import pathlib, time\n"
        f"here = pathlib.Path({str(tmp_path)!r})\n"
        "if not (here / 'second').exists():\n"
        "    (here / 'first').touch()\n"
        "    time.sleep(60)\n" + GOOD
    )
    pool = Pool(1)
    await pool.start()
    config = config_of(tmp_path, "slow", import_seconds=30)
    describing = asyncio.ensure_future(find_pipelines(config, pool))
    async with asyncio.timeout(30):
        while not (tmp_path / "first").exists():
            await asyncio.sleep(0.01)
        (tmp_path / "second").touch()
        killed = template()
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        found = await describing
    assert {name: each.error for name, each in found.items() if name != "astrosource"} == {
        "Timelapse": None,
        "Dummy": None,
        "slow": None,
    }
    pool.close()


async def test_what_an_import_has_started_does_not_hold_up_its_description(tmp_path: Path) -> None:
    (tmp_path / "leaves.py").write_text(
        "import os, signal, time\nif os.fork() == 0:\n    time.sleep(60)\n    os._exit(0)\n" + GOOD
    )
    pool = Pool(1)
    await pool.start()
    found = await registry.describe(pool, "leaves.Mine", str(tmp_path), 20)
    assert found["error"] is None
    pool.close()


async def test_many_pipelines_are_described_a_few_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"mine{number}" for number in range(24)]
    for name in names:
        (tmp_path / f"{name}.py").write_text(GOOD)
    monkeypatch.setattr(pipelines_module, "AT_ONCE", 3)
    pool = Pool(1)
    await pool.start()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Enough for a few at once; all of them need over a hundred.
    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds() + 50, hard))
    try:
        found = await find_pipelines(config_of(tmp_path, *names, import_seconds=30), pool)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        pool.close()
    assert [found[name].error for name in names] == [None] * len(names)
