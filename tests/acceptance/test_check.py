"""`heliograph check` as an operator types it, with pipelines of one's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
MODULE = """
import os
from pathlib import Path
from runners import PipelineProcess

Path(__file__).with_name("seen").write_text(repr(dict(os.environ)))
print("ok       pipelines: whatever an author prints")


class Good(PipelineProcess):
    short_name = "good"
"""
CONFIG = "pipelines: {Good: mine.Good, Lost: no_such_module.Lost, Bare: mine.NotThere}\n"
SECRET = "hunter2hunter2hunter2"


def test_each_pipeline_is_described_without_a_secret_and_broken_ones_are_problems(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(MODULE)
    (tmp_path / "config.yml").write_text(CONFIG)
    options = ["--config", str(tmp_path / "config.yml"), "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-m", "server", "check", *options],
        cwd=ROOT,
        env=os.environ | {"HELIOGRAPH_HTTP_TOKENS": SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ok       pipelines: Good can run" in done.stdout
    assert "problem  pipelines: Lost cannot run: " in done.stdout
    assert "problem  pipelines: Bare cannot run: " in done.stdout
    assert "2 problems" in done.stdout
    assert "whatever an author prints" not in done.stdout, "the report is the command's alone"
    assert SECRET not in (tmp_path / "seen").read_text()
    assert SECRET not in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()
