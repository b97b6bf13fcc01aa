"""An author's pipelines on a real server: installed from a package, and edited while it runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runners.synthetic import synthesise_series
from tests.acceptance.conftest import Servers, servers
from tests.integration.conftest import Client

__all__ = ["servers"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "aperture"
INSTALL_SECONDS = 120


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the example package with pip, without a network; return the folder."""
    source = tmp_path_factory.mktemp("source") / "aperture"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    folder = tmp_path_factory.mktemp("installed")
    options = ["--no-index", "--no-deps", "--no-build-isolation", "--no-input"]
    command = [sys.executable, "-m", "pip", "install", *options, "--target"]
    command += [str(folder), str(source)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.timeout(INSTALL_SECONDS + 60)
def test_the_example_passes_its_own_tests(installed: Path, tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE / "tests", tmp_path / "tests")
    root = EXAMPLE.parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "tests")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(installed), str(root)])},
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


@pytest.mark.slow
@pytest.mark.timeout(INSTALL_SECONDS + 60)
@pytest.mark.gen_test(timeout=60)
async def test_an_installed_package_brings_its_pipeline(
    installed: Path, servers: Servers, tmp_path: Path
) -> None:
    client = servers.start(environment={"PYTHONPATH": str(installed)}).client()
    described = await pipeline(client, "Aperture photometry")
    assert described["short_name"] == "aperture"
    assert described["flags"]["wide"]["long_name"] == "Use an aperture twice as wide"
    frames = synthesise_series(tmp_path / "frames", count=4, size=(128, 160))
    target = await client.make_target("M13")
    products = await client.upload(target, *((path.name, path.read_bytes()) for path in frames))
    record = await client.ended(
        (await client.submit("Aperture photometry", target, products, wide=True))["pk"]
    )
    assert record["state"] == "succeeded", await client.lines(record["pk"])
    assert record["progress"] == {"done": 4.0, "total": 4.0}
    assert len(record["outputs"]) == 4 + 2
    curve = (await client.call(f"/api/targets/{target}/lightcurve/"))["lightcurve"]
    assert [row["filter"] for row in curve] == ["V"] * 4


PIPELINE = '''
from runners import PipelineProcess

class Mine(PipelineProcess):
    """{description}"""
    short_name = "mine"
    allowed_suffixes = {suffixes}
    flags = {flags}

    def do_pipeline(self, tmpdir, **flags):
        self.log("{said}")
'''


class Author:
    """An author who writes and rewrites a pipeline in the folder of a configuration."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yml"
        self.module = folder / "mine_of_an_author.py"
        self.config.write_text("pipelines: {Mine: mine_of_an_author.Mine}\n")

    def write(self, said: str, flags: str = "None", suffixes: str = "None") -> None:
        fields = {"said": said, "flags": flags, "suffixes": suffixes, "description": "Mine"}
        self.module.write_text(PIPELINE.format(**fields))


async def pipeline(client: Client, name: str) -> dict[str, Any]:
    """Return a pipeline as it is listed."""
    listed = (await client.call("/api/pipelines/"))["pipelines"]
    [found] = [each for each in listed if each["name"] == name]
    return dict(found)


async def listed_with(client: Client, name: str, **fields: Any) -> dict[str, Any]:
    """Wait until a pipeline is listed with these fields; return it."""
    async with asyncio.timeout(20):
        while True:
            found = await pipeline(client, name)
            if all(found[field] == value for field, value in fields.items()):
                return found
            await asyncio.sleep(0.05)


async def said_by_a_run(client: Client, target: int, products: list[int], **flags: bool) -> str:
    record = await client.ended((await client.submit("Mine", target, products, **flags))["pk"])
    assert record["state"] == "succeeded"
    return str((await client.lines(record["pk"]))[0][3])


@pytest.mark.gen_test(timeout=60)
async def test_changed_code_needs_no_restart(servers: Servers, tmp_path: Path) -> None:
    author = Author(tmp_path)
    author.write("one")
    client = servers.start("--config", str(author.config)).client()
    target = await client.make_target("Code")
    products = await client.upload(target, ("a.fits", b"x"))
    assert await said_by_a_run(client, target, products) == "one"
    author.write("two")  # of the same length, and most likely within the same second
    assert await said_by_a_run(client, target, products) == "two"
    author.write("tri")
    assert await said_by_a_run(client, target, products) == "tri"


@pytest.mark.slow
@pytest.mark.gen_test(timeout=60)
async def test_changed_flags_and_suffixes_are_learned(servers: Servers, tmp_path: Path) -> None:
    author = Author(tmp_path)
    author.write("one")
    client = servers.start("--config", str(author.config)).client()
    target = await client.make_target("Code")
    products = await client.upload(target, ("a.fits", b"x"))
    author.write("two", '{"deep": {"default": False, "long_name": "Deep"}}', '[".fits"]')
    await listed_with(client, "Mine", allowed_suffixes=[".fits"])
    assert await said_by_a_run(client, target, products, deep=True) == "two"

    author.module.write_text("class Mine(")
    async with asyncio.timeout(20):
        while (await pipeline(client, "Mine"))["error"] is None:
            await asyncio.sleep(0.05)
    body = {"target": target, "pipeline": "Mine", "products": products}
    refused = await client.call("/api/processes/", "POST", body, status=400)
    assert "was never closed" in refused["pipeline"][0]

    author.write("four")
    await listed_with(client, "Mine", error=None, flags={})
    assert await said_by_a_run(client, target, products) == "four"
