"""schemathesis reads the description and asks a real server whether it is true.

In a process of its own, as its pytest plug-in is for tests that it makes itself. Its checks are on:
statuses, types, schemas and headers of answers, refusals of what is not valid, acceptance of what
is, methods that are not there, what is used after it was deleted; and no 5xx.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.conftest import make_config, serving

ROOT = Path(__file__).parents[3]
CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED, EXAMPLES, LEAST_REQUESTS, LEAST_LINKS = 1, 60, 4_500, 10
SECONDS = 800


def asked(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run schemathesis against a server."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)]
    return subprocess.run(
        [
            *command,
            "run",
            f"{url}/api/openapi.json",
            "--seed",
            str(SEED),
            "--workers",
            "1",
            *options,
        ],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def figure(pattern: str, printed: str) -> int:
    """Return a number that schemathesis has printed."""
    found = re.search(pattern, printed)
    assert found is not None, printed[-5_000:]
    return int(found[1])


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_some_thousand_requests_are_answered_as_described(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(make_config(tmp_path)) as running:
        done = asked(running.url, "--max-examples", str(EXAMPLES), "--continue-on-failure")
    assert done.returncode == 0, done.stdout[-10_000:]
    assert figure(r"(\d+) generated", done.stdout) >= LEAST_REQUESTS
    assert figure(r"API Links: +(\d+) covered", done.stdout) >= LEAST_LINKS
    errors = [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]
    assert errors == []
