"""Pipelines with results to look at. Imported by the children of runs only."""

# Written as authors write them: with plain class attributes.
# ruff: noqa: RUF012

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from runners import PipelineOutput, PipelineProcess
from runners.timelapse import Timelapse
from tests.browser.support.waiting import wait_to_go_on

#: After so many frames the slow film waits.
FRAMES_BEFORE_WAITING = 5


class Results(PipelineProcess):
    """Makes two pictures, a table and a text; flags name what is shown first."""

    short_name = "results"
    flags = {
        "table": {"default": False, "long_name": "Show the table first"},
        "curve": {"default": False, "long_name": "Measure a light curve"},
        "wait": {"default": False, "long_name": "Wait until the test lets it go on"},
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path | PipelineOutput]:
        self.log("Making results")
        if flags["wait"]:
            wait_to_go_on(self, tmpdir)
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
    """A timelapse that stops after some frames until the test lets it go on."""

    def progress(self, done: float, total: float) -> None:
        super().progress(done, total)
        if done == FRAMES_BEFORE_WAITING:
            wait_to_go_on(self, Path.cwd())
