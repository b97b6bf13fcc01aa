"""Pipelines with results to look at. Imported by the children of runs only."""

# Written as authors write them: with plain class attributes.
# ruff: noqa: RUF012

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from runners import PipelineOutput, PipelineProcess
from runners.timelapse import Timelapse


class Results(PipelineProcess):
    """Makes two pictures, a table and a text; flags name what is shown first."""

    short_name = "results"
    flags = {
        "table": {"default": False, "long_name": "Show the table first"},
        "curve": {"default": False, "long_name": "Measure a light curve"},
        "wait": {"default": False, "long_name": "Wait a moment"},
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path | PipelineOutput]:
        self.log("Making results")
        time.sleep(2 if flags["wait"] else 0)
        for name, shade in (("dark.png", 40), ("light.png", 220)):
            Image.new("L", (600, 400), shade).save(tmpdir / name)
            yield tmpdir / name
        (tmpdir / "notes.txt").write_text("Clear sky\n")
        yield tmpdir / "notes.txt"
        (tmpdir / "stars.csv").write_text("star,flux\nalpha,12.5\n")
        yield PipelineOutput(tmpdir / "stars.csv", main=flags["table"])
        if flags["curve"]:
            (tmpdir / "curve.csv").write_text("time,magnitude\n59000.5,12.5\n59000.6,12.7\n")
            yield PipelineOutput(tmpdir / "curve.csv", "ReducedDatum")


class SlowFilm(Timelapse):
    """A timelapse that takes its time for each frame."""

    def progress(self, done: float, total: float) -> None:
        super().progress(done, total)
        time.sleep(0.5)

    def do_pipeline(self, tmpdir: Path, **flags: Any) -> Iterator[Path]:
        yield from super().do_pipeline(tmpdir, **flags)
