"""The functional suite with a database that fails now and then: a little of it, all with `long`."""

from __future__ import annotations

import asyncio
import os
import re
import sys

import pytest

from tests.reliability.tools.serving import ROOT

pytestmark = pytest.mark.slow

SUMMARY = re.compile(r"seed \d+: (\d+) of (\d+) database calls met faults")
LITTLE = ("tests/integration/execution/test_runs.py", "-k", "outputs or lines")


async def functional(seed: int, *which: str) -> tuple[str, int]:
    """Run tests of the functional suite, which must pass; return the output and the faults met."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *which),
        cwd=ROOT,
        env=os.environ | {"HELIOGRAPH_TEST_FAULTS": str(seed)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed = (await running.communicate())[0].decode()
    assert running.returncode == 0, printed
    found = SUMMARY.search(printed)
    assert found, printed
    return printed, int(found[1])


@pytest.mark.gen_test(timeout=290)
@pytest.mark.timeout(300)
async def test_some_functional_tests_pass_with_a_failing_database() -> None:
    printed, met = await functional(1, *LITTLE)
    assert "passed" in printed
    assert met > 0


@pytest.mark.long
@pytest.mark.gen_test(timeout=3500)
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_functional_suite_passes_with_a_failing_database(seed: int) -> None:
    printed, met = await functional(seed, "tests/integration")
    print(printed.splitlines()[-1])
    assert met > 100
