"""The outputs of a pipeline, checked: each file exists, and reduced data can be read.

A run and a test of a pipeline share these checks, so that a test finds what a run would.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from runners.pipeline.measurements import read_measurements
from runners.pipeline.process import REDUCED_DATUM, AsyncError, outputs_of


class Made(NamedTuple):
    """A file that exists, the name that it gets, and `DataProduct` or `ReducedDatum`."""

    path: Path
    name: str
    output_type: str


def made(result: Any, folder: Path) -> Iterator[Made]:
    """Yield the outputs that `do_pipeline` returned or yields; relative paths start at the folder.

    Raise AsyncError for what is not an output, not a file, or not a table of measurements.
    """
    for output in outputs_of(result):
        path = folder / output.path
        if not path.is_file():
            raise AsyncError(f"The output '{path.name}' is not a file")
        if output.type_name() == REDUCED_DATUM:
            _check_measurements(path)
        yield Made(path, output.name or path.name, output.type_name())


def _check_measurements(path: Path) -> None:
    try:
        read_measurements(path)
    except ValueError as error:
        raise AsyncError(str(error)) from error
