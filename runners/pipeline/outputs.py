"""The outputs of a pipeline, checked: each file exists, and reduced data can be read.

A run and a test of a pipeline share these checks, so that a test finds what a run would.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from runners.pipeline.errors import AsyncError
from runners.pipeline.file_copies import copy_file, open_file
from runners.pipeline.measurements import (
    MOST_MEASUREMENTS,
    NoMeasurements,
    read_measurements,
)
from runners.pipeline.results import (
    DATA_PRODUCT,
    REDUCED_DATUM,
    PipelineOutput,
    Row,
    measurement_of,
    outputs_of,
)

#: The name of the table of measurements that come without a file.
TABLE = "measurements.csv"


class Made(NamedTuple):
    """A file that exists, the name that it gets, and `DataProduct` or `ReducedDatum`.

    At most one output of a run is its `main` one. `data_product_type` is a word of the author's.
    """

    path: Path
    name: str
    output_type: str
    main: bool = False
    data_product_type: str = ""


def _ignore(line: str) -> object:
    return None


def made(
    result: Any,
    folder: Path,
    keep: Path | None = None,
    *,
    note: Callable[[str], object] = _ignore,
    warn: Callable[[str], object] = _ignore,
) -> Iterator[Made]:
    """Yield the outputs that `do_pipeline` returned or yields; relative paths start at the folder.

    An output that is yielded while the pipeline goes on is copied into the folder `keep`, if given,
    so that it stays as it is now. Measurements that come one by one are made a table, which is the
    last output. `note` is called with a line about each kind of rows of reduced data that are left
    out, and about a main output that is not the first one; `warn` with one about a text that is
    kept as a data product, as it holds no measurements. Raise AsyncError for what is not an output,
    not a file, or a damaged table of measurements.
    """
    goes_on, main = isinstance(result, Iterator), None
    table = _Table(folder if keep is None else keep)
    for number, output in enumerate(outputs_of(result)):
        output = _first_main(output, main, note)
        main = main or (output.name or _name_of(output) if output.main else None)
        if output.data is not None and output.type_name() == REDUCED_DATUM:
            table.add(output)
            continue
        path = _existing(output, folder)
        if goes_on and keep is not None:
            path = _kept(path, keep / str(number))
        kind = output.type_name()
        if kind == REDUCED_DATUM and not _check_measurements(path, note, warn):
            kind = DATA_PRODUCT
        yield Made(path, output.name or path.name, kind, bool(output.main), output.kind())
    if table.rows:
        yield table.written(note)


def _name_of(output: PipelineOutput) -> str:
    return TABLE if output.path is None else Path(output.path).name


def _first_main(
    output: PipelineOutput, main: str | None, note: Callable[[str], object]
) -> PipelineOutput:
    """Return an output, as no main one where another is that already."""
    if output.main and main is not None:
        if output.data is None:
            note(f"{output.name or _name_of(output)} is not the main output: {main} is already")
        return output._replace(main=False)
    return output


def _existing(output: PipelineOutput, folder: Path) -> Path:
    """Return the path of an output's file. Raise AsyncError if there is none of a proper name."""
    if output.path is None:
        raise AsyncError("An output of the type DataProduct must be a path, not None")
    path = folder / output.path
    if not path.is_file():
        raise AsyncError(f"The output '{path.name}' is not a file")
    name = output.name or path.name
    if not _is_text(name) or not _is_text(str(path)):
        shown = name.encode("utf-8", "replace").decode()
        raise AsyncError(f"The name of the output '{shown}' is not valid UTF-8")
    return path


class _Table:
    """The measurements that a pipeline yields one by one, without a file."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.rows: list[Row] = []
        self._main, self._type = False, ""

    def add(self, output: PipelineOutput) -> None:
        """Take the measurement of an output. Raise AsyncError for too many, or for none."""
        if len(self.rows) >= MOST_MEASUREMENTS:
            raise AsyncError(f"There are more than {MOST_MEASUREMENTS:,} measurements")
        self.rows.append(measurement_of(output.data))
        self._main = self._main or bool(output.main)
        self._type = self._type or output.kind()

    def written(self, note: Callable[[str], object]) -> Made:
        """Write the table and return it, checked as any other."""
        folder = self._folder / "table"
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        path = folder / TABLE
        with path.open("w", encoding="utf-8", errors="replace", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("mjd", "magnitude", "error", "file"))
            table.writerows(self.rows)
        _check_measurements(path, note, note)
        return Made(path, TABLE, REDUCED_DATUM, self._main, self._type)


def _is_text(name: str) -> bool:
    """Return whether a name is more than bytes, which Python keeps as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kept(path: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, mode=0o700)
    copy = folder / path.name
    try:
        source = open_file(path, follow=True)
        try:
            copy_file(source, copy, checksum=False)
        finally:
            os.close(source)
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise AsyncError(f"The output '{path.name}' could not be copied: {reason}") from error
    return copy


def _check_measurements(
    path: Path, note: Callable[[str], object], warn: Callable[[str], object]
) -> bool:
    """Return whether a file holds measurements; if it is another text, warn that it is kept.

    Raise AsyncError if it is empty, damaged, or no text.
    """
    try:
        for sentence in read_measurements(path).left_out.sentences():
            note(f"{path.name}: {sentence}, left out of the light curve")
    except NoMeasurements as error:
        if not path.stat().st_size:
            raise AsyncError(str(error)) from error
        warn(f"{error}: it is kept as a file, and adds nothing to the light curve")
        return False
    except ValueError as error:
        raise AsyncError(str(error)) from error
    return True
