"""For authors: runs a pipeline in the calling process, without a server or a database.

    run = run_pipeline(Example, ["a.fits", "b.fits"], deep=True)
    assert run.statuses == ["Measuring"]
    assert run.path("catalogue.csv").read_text().startswith("x,y")

The checks of a submit and of a run's outputs are made here too, with the same messages. A target of
your own is a `RunTarget`: `run_pipeline(Example, files, target=RunTarget(1, "m31", "Messier 31"))`.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from runners.pipeline.inputs import InputData, InputFiles, InputProduct, RunTarget
from runners.pipeline.measurements import Measurement, read_measurements
from runners.pipeline.outputs import Made, made
from runners.pipeline.own_copies import InputSource
from runners.pipeline.process import (
    NO_INPUTS,
    REDUCED_DATUM,
    AsyncError,
    PipelineProcess,
    flags_of,
    identify,
    suffix_problem,
)

__all__ = ["PipelineRun", "RunTarget", "run_pipeline"]

#: The target unless another is given.
TARGET = RunTarget(1, "m13", "Messier 13", 250.4235, 36.4613)


class PipelineRun:
    """A run that has succeeded: what it logged and reported, and the files that it made."""

    def __init__(self) -> None:
        self.cancelled = False
        #: each text that was logged, with its end
        self.texts: list[str] = []
        self.statuses: list[str] = []
        #: each (done, total) in order
        self.progress_made: list[tuple[float, float]] = []
        self.outputs: list[Made] = []

    @property
    def log(self) -> list[str]:
        """The lines of the log."""
        lines = "".join(self.texts).split("\n")
        return lines if lines[-1] else lines[:-1]

    @property
    def measurements(self) -> list[Measurement]:
        """The measurements in the outputs that are reduced data."""
        tables = [each.path for each in self.outputs if each.output_type == REDUCED_DATUM]
        return [measurement for table in tables for measurement in read_measurements(table)]

    def path(self, name: str) -> Path:
        """Return the path of the output of this name. Raise KeyError if there is none."""
        found = {each.name: each.path for each in self.outputs}
        return found[name]

    def line(self, line: str) -> None:
        """Keep a line about the outputs."""
        self.text(f"{line}\n")

    # The pipeline's side, a `Reporter`:

    def text(self, text: str, *, level: str = "info") -> None:
        """Keep text that was logged."""
        self.texts.append(text)

    def frame(self, line: str, facts: Mapping[str, Any], *, level: str = "info") -> None:
        """Keep the line about a frame."""
        self.text(f"{line}\n")

    def status(self, text: str) -> None:
        """Keep a status."""
        self.statuses.append(text)

    def progress(self, done: float, total: float) -> None:
        """Keep the progress."""
        self.progress_made.append((done, total))


def run_pipeline(
    pipeline: type[PipelineProcess],
    files: Iterable[str | Path],
    *,
    target: RunTarget = TARGET,
    folder: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    cancelled: bool = False,
    **flags: bool,
) -> PipelineRun:
    """Run a pipeline on files with these flags; the other flags have their defaults.

    The run's folder is `folder`, an empty one, or a temporary one that is removed with the returned
    run. `cancelled` makes `check_cancelled()` end the run. Raise AsyncError for what a submit would
    refuse; whatever the pipeline raises is raised too.
    """
    run = PipelineRun()
    inputs = _inputs(pipeline, [Path(file).absolute() for file in files], run)
    run.cancelled = cancelled
    work = _folder_of(run) if folder is None else Path(folder)
    process = pipeline(run, target, inputs, _identifier(pipeline, target), dict(settings or {}))
    identify(process, 1)
    with contextlib.chdir(work):
        result = process.do_pipeline(work, **flags_of(pipeline, flags))
        run.outputs = list(made(result, work, note=run.line, warn=run.line))
    return run


def _inputs(pipeline: type[PipelineProcess], paths: list[Path], run: PipelineRun) -> InputFiles:
    """Return the files as a run has them. Raise AsyncError if a submit would refuse them."""
    if not paths:
        raise AsyncError(NO_INPUTS)
    for path in paths:
        if problem := suffix_problem(pipeline.allowed_suffixes or [], path.name):
            raise AsyncError(problem)
    folder = _folder_of(run)
    return InputFiles(
        [
            InputProduct(
                pk, path.name, InputData(InputSource(str(path), str(folder / str(pk))), path.name)
            )
            for pk, path in enumerate(paths, 1)
        ]
    )


def _folder_of(run: PipelineRun) -> Path:
    """Make a folder that is removed with the run."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-"))
    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _identifier(pipeline: type[PipelineProcess], target: RunTarget) -> str:
    stamp = time.strftime("%Y-%m-%d-%H%M%S", time.gmtime())
    return f"{pipeline.short_name}_{target.identifier}_{stamp}"
