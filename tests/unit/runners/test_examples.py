"""The pipelines that README and docs print do what they say, on frames made here."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.io import fits

from runners import PipelineProcess
from runners.testing import PipelineRun, run_pipeline
from server.config import load

ROOT = Path(__file__).parents[3]


def blocks(page: str, language: str) -> list[str]:
    """Return the code blocks of a language on a page."""
    written = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", written, re.MULTILINE | re.DOTALL)


def printed(code: str, name: str, filename: str) -> type[PipelineProcess]:
    """Return the pipeline class that a page prints."""
    module: dict[str, Any] = {"__name__": "printed"}
    exec(compile(code, filename, "exec"), module)
    kind: type[PipelineProcess] = module[name]
    return kind


def frames(folder: Path) -> list[Path]:
    """Two frames, of ones and of twos."""
    paths = [folder / f"frame{value}.fits" for value in (1, 2)]
    for value, path in enumerate(paths, 1):
        fits.writeto(path, np.full((64, 64), value, "int16"))
    return paths


def test_the_pipeline_of_the_readme_finds_the_brightest_pixels(tmp_path: Path) -> None:
    [code] = [block for block in blocks("README.md", "python") if "class " in block]
    run = run_pipeline(printed(code, "Brightest", "README.md"), frames(tmp_path))
    table = run.path("brightest.csv").read_text(encoding="utf-8")
    assert table == "file,value\nframe1.fits,1\nframe2.fits,2\n"
    assert run.log == ["Measuring frame1.fits", "Measuring frame2.fits"]
    assert run.statuses == ["Measuring"]
    assert run.progress_made == [(1, 2), (2, 2)]


def test_the_pipeline_of_the_guide_sums_a_box(tmp_path: Path) -> None:
    kind = printed(blocks("docs/pipelines.md", "python")[0], "CentralFlux", "docs/pipelines.md")
    files = frames(tmp_path)
    narrow, wide = run_pipeline(kind, files), run_pipeline(kind, files, wide=True)
    assert (
        narrow.path("flux.csv").read_text() == "file,flux\nframe1.fits,256.0\nframe2.fits,512.0\n"
    )
    assert (
        wide.path("flux.csv").read_text() == "file,flux\nframe1.fits,1024.0\nframe2.fits,2048.0\n"
    )


def test_the_test_of_the_guide_passes(tmp_path: Path) -> None:
    """In a process of its own, as its author would run it."""
    pipeline, test = blocks("docs/pipelines.md", "python")[:2]
    (tmp_path / "photometry.py").write_text(pipeline, encoding="utf-8")
    (tmp_path / "test_photometry.py").write_text(test, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_photometry.py"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT)))}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=50
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_guide_names_all_that_a_run_in_a_test_tells() -> None:
    guide = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
    told = {name for name in vars(PipelineRun()) if name not in ("cancelled", "texts")}
    told |= {"log", "measurements", "path"}
    for name in told:
        assert f"`run.{name}" in guide, name


def test_every_printed_configuration_can_be_loaded(tmp_path: Path) -> None:
    pages = ("README.md", "docs/pipelines.md", "docs/configuration.md")
    printed = [block for page in pages for block in blocks(page, "yaml")]
    assert len(printed) == 3
    for written in printed:
        path = tmp_path / "config.yml"
        path.write_text(written, encoding="utf-8")
        assert set(load(path, {}, {}).pipelines) == set(yaml.safe_load(written)["pipelines"])


def test_the_commands_of_the_readme_are_those_that_the_checks_run() -> None:
    checks = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    readme = "\n".join(blocks("README.md", "console"))
    assert "python -m pytest" in checks
    assert "$ python -m pytest\n" in readme
    assert "pip install -q -e '.[test]'" in checks
    assert "pip install -e '.[test]'" in readme
