"""For authors: runs a pipeline in the process that calls, with no server and no database.

    run = run_pipeline(Example, ["a.fits", "b.fits"], deep=True)
    assert run.statuses == ["Measuring"]
    assert run.path("catalogue.csv").read_text().startswith("x,y")

What is checked at a submit and after a run is checked here too, in the same words.
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
from runners.pipeline.process import (
    NO_INPUTS,
    REDUCED_DATUM,
    AsyncError,
    PipelineProcess,
    flags_of,
    suffix_problem,
)

TARGET = RunTarget(1, "m13", "Messier 13", 250.4235, 36.4613)


class PipelineRun:
    """A run that has ended well: what it said, and the files that it made."""

    def __init__(self) -> None:
        self.cancelled = False
        #: each text that `log` was called with, its end included
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
        """The reduced data."""
        tables = [each.path for each in self.outputs if each.output_type == REDUCED_DATUM]
        return [measurement for table in tables for measurement in read_measurements(table)]

    def path(self, name: str) -> Path:
        """The output of this name. Raises KeyError when there is none."""
        found = {each.name: each.path for each in self.outputs}
        return found[name]

    # What the pipeline sees of it: the `Reporter`.

    def text(self, text: str) -> None:
        self.texts.append(text)

    def status(self, text: str) -> None:
        self.statuses.append(text)

    def progress(self, done: float, total: float) -> None:
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
    """Run a pipeline on files with these flags, the others being as by default.

    The run's folder is a new one that is removed with the returned run, unless `folder` names an
    empty one. `cancelled` lets `check_cancelled()` end it. Raises AsyncError as the pipeline does
    or for what a submit would refuse; what else the pipeline raises is raised as well.
    """
    inputs = _inputs(pipeline, [Path(file).absolute() for file in files])
    run = PipelineRun()
    run.cancelled = cancelled
    work = _folder_of(run) if folder is None else Path(folder)
    process = pipeline(run, target, inputs, _identifier(pipeline, target), dict(settings or {}))
    with contextlib.chdir(work):
        result = process.do_pipeline(work, **flags_of(pipeline, flags))
        run.outputs = list(made(result, work))
    return run


def _inputs(pipeline: type[PipelineProcess], paths: list[Path]) -> InputFiles:
    """The files as a run has them. Raises AsyncError for those that a submit would refuse."""
    if not paths:
        raise AsyncError(NO_INPUTS)
    for path in paths:
        if problem := suffix_problem(pipeline.allowed_suffixes or [], path.name):
            raise AsyncError(problem)
    return InputFiles(
        [
            InputProduct(pk, path.name, InputData(str(path), path.name))
            for pk, path in enumerate(paths, 1)
        ]
    )


def _folder_of(run: PipelineRun) -> Path:
    """A new folder that goes with the run."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-"))
    weakref.finalize(run, shutil.rmtree, folder, ignore_errors=True)
    return folder


def _identifier(pipeline: type[PipelineProcess], target: RunTarget) -> str:
    stamp = time.strftime("%Y-%m-%d-%H%M%S", time.gmtime())
    return f"{pipeline.short_name}_{target.identifier}_{stamp}"
