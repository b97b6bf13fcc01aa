"""A pipeline that does what its target says, for tests of how runs end."""

from __future__ import annotations

from pathlib import Path

from runners import PipelineProcess


class Scripted(PipelineProcess):
    """Executes the Python text `script` of its target, with `self` and `tmpdir` at hand."""

    short_name = "scripted"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> list[Path] | None:
        names = {"self": self, "tmpdir": tmpdir, "outputs": None}
        exec(self.target.extra_fields["script"], names)
        return names["outputs"]  # type: ignore[return-value]  # as the script says
