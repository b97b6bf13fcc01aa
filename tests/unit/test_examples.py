"""The pipelines that README and docs print do what they say, on frames made here."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from astropy.io import fits

from runners import PipelineProcess
from runners.inputs import InputData, InputFiles, InputProduct, RunTarget
from server.config import load

ROOT = Path(__file__).parents[2]


class Listener:
    """Keeps what a pipeline says."""

    cancelled = False

    def __init__(self) -> None:
        self.log = ""
        self.statuses: list[str] = []
        self.done: list[tuple[float, float]] = []

    def text(self, text: str) -> None:
        self.log += text

    def status(self, text: str) -> None:
        self.statuses.append(text)

    def progress(self, done: float, total: float) -> None:
        self.done.append((done, total))


def blocks(page: str, language: str) -> list[str]:
    """The code of a language that a page prints."""
    written = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", written, re.MULTILINE | re.DOTALL)


def run(code: str, name: str, folder: Path, **flags: bool) -> tuple[str, Listener]:
    """The text of the one output of a printed pipeline on two frames."""
    module: dict[str, Any] = {"__name__": "printed"}
    exec(compile(code, name, "exec"), module)
    kind: type[PipelineProcess] = module[name]
    listener = Listener()
    target = RunTarget(1, "m13", "m13")
    pipeline = kind(listener, target, InputFiles(frames(folder)), "printed_m13")
    [output] = list(pipeline.do_pipeline(folder, **flags) or [])
    return Path(output).read_text(encoding="utf-8"), listener


def frames(folder: Path) -> list[InputProduct]:
    """Two frames, of ones and of twos."""
    products = []
    for pk in (1, 2):
        path = folder / f"frame{pk}.fits"
        fits.writeto(path, np.full((64, 64), pk, "int16"))
        products.append(InputProduct(pk, path.name, InputData(str(path), path.name)))
    return products


def test_the_pipeline_of_the_readme_finds_the_brightest_pixels(tmp_path: Path) -> None:
    [code] = [block for block in blocks("README.md", "python") if "class " in block]
    table, listener = run(code, "Brightest", tmp_path)
    assert table == "file,value\nframe1.fits,1\nframe2.fits,2\n"
    assert listener.log == "Measuring frame1.fits\nMeasuring frame2.fits\n"
    assert listener.statuses == ["Measuring"]
    assert listener.done == [(1, 2), (2, 2)]


def test_the_pipeline_of_the_guide_sums_a_box(tmp_path: Path) -> None:
    code = blocks("docs/pipelines.md", "python")[0]
    (tmp_path / "narrow").mkdir()
    narrow, _ = run(code, "CentralFlux", tmp_path / "narrow")
    wide, _ = run(code, "CentralFlux", tmp_path, wide=True)
    assert narrow == "file,flux\nframe1.fits,256.0\nframe2.fits,512.0\n"
    assert wide == "file,flux\nframe1.fits,1024.0\nframe2.fits,2048.0\n"


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
