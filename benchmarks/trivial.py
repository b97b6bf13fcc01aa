"""Trivial pipelines, in a file that takes no time to import: a run compiles it each time."""

from __future__ import annotations

import time
from pathlib import Path

from runners import PipelineProcess


class Nothing(PipelineProcess):
    """Does nothing: what is measured is everything around it."""

    short_name = "nothing"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """End at once."""


class Waits(PipelineProcess):
    """Waits until it is cancelled."""

    short_name = "waits"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Wait."""
        while True:
            self.check_cancelled()
            time.sleep(0.01)


class Yields(PipelineProcess):
    """Makes one small file."""

    short_name = "yields"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Path:
        """Return the file."""
        path = tmpdir / "catalogue.csv"
        path.write_text("ra,dec,flux\n")
        return path
