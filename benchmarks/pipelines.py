"""Pipelines for the benchmarks; imported by the children of runs."""

from __future__ import annotations

from pathlib import Path

from runners import PipelineProcess


class Nothing(PipelineProcess):
    """Does nothing: what is measured is everything around it."""

    short_name = "nothing"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """End at once."""


class Writes(PipelineProcess):
    """Logs lines of 100 bytes up to as many bytes as its target's `bytes` says."""

    short_name = "writes"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Log, and end."""
        for number in range(int(self.target.extra_fields["bytes"]) // 100):
            self.log(f"{number:<99}")
