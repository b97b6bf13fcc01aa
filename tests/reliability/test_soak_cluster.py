"""A short soak of servers, Dask workers, a database and an S3 storage, as its command does it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import signal
import sys

import pytest

from tests.fakes.s3_server import needs_s3
from tests.reliability.tools.serving import ROOT

pytestmark = [
    pytest.mark.slow,
    needs_s3,
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None,
        reason="distributed is not installed (the extra dask): no cluster was soaked",
    ),
]
COMMAND = ("-m", "tests.reliability.tools.soak_cluster", "--database", "embedded")


async def soaked(*options: str) -> str:
    """Return what the soak of a cluster prints; it must find nothing wrong."""
    soaking = await asyncio.create_subprocess_exec(
        *(sys.executable, *COMMAND, *options),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        printed = (await soaking.communicate())[0].decode()
    except asyncio.CancelledError:
        os.killpg(soaking.pid, signal.SIGINT)  # so that it ends what it has started
        await soaking.wait()
        raise
    assert soaking.returncode == 0, printed
    assert "lost 0;" in printed
    assert "violations: 0" in printed
    return printed


@pytest.mark.gen_test(timeout=280)
@pytest.mark.timeout(300)
async def test_random_work_on_a_cluster_in_trouble_loses_nothing() -> None:
    printed = await soaked("--servers=2", "--runs=18", "--troubles=2", "--seed=153")
    assert "2 troubles" in printed


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
async def test_hundreds_of_runs_outlive_the_troubles_of_a_cluster() -> None:
    print(await soaked("--runs=500", "--seed=1"))


@pytest.mark.long
@pytest.mark.gen_test(timeout=1100)
@pytest.mark.timeout(1200)
async def test_a_cluster_is_soaked_where_there_are_no_network_namespaces() -> None:
    printed = await soaked("--loopback", "--runs=60", "--troubles=8", "--seed=2")
    assert "loopback addresses and proxies" in printed
