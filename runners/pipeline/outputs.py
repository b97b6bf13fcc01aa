"""The outputs of a pipeline, checked: each file exists, and reduced data can be read.

A run and a test of a pipeline share these checks, so that a test finds what a run would.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from runners.pipeline.file_copies import copy_file, open_file
from runners.pipeline.measurements import read_measurements
from runners.pipeline.process import REDUCED_DATUM, AsyncError, outputs_of


class Made(NamedTuple):
    """A file that exists, the name that it gets, and `DataProduct` or `ReducedDatum`.

    At most one output of a run is its `main` one.
    """

    path: Path
    name: str
    output_type: str
    main: bool = False


def made(
    result: Any,
    folder: Path,
    keep: Path | None = None,
    *,
    note: Callable[[str], object] = lambda line: None,
) -> Iterator[Made]:
    """Yield the outputs that `do_pipeline` returned or yields; relative paths start at the folder.

    An output that is yielded while the pipeline goes on is copied into the folder `keep`, if given,
    so that it stays as it is now. `note` is called with a line about each kind of rows of reduced
    data that are left out, and about a main output that is not the first one. Raise AsyncError for
    what is not an output, not a file, or not a table of measurements.
    """
    goes_on, main = isinstance(result, Iterator), None
    for number, output in enumerate(outputs_of(result)):
        path = folder / output.path
        if not path.is_file():
            raise AsyncError(f"The output '{path.name}' is not a file")
        name = output.name or path.name
        if not _is_text(name) or not _is_text(str(path)):
            shown = name.encode("utf-8", "replace").decode()
            raise AsyncError(f"The name of the output '{shown}' is not valid UTF-8")
        if goes_on and keep is not None:
            path = _kept(path, keep / str(number))
        if output.type_name() == REDUCED_DATUM:
            _check_measurements(path, note)
        if output.main and main is not None:
            note(f"{name} is not the main output: {main} is already")
        is_main = bool(output.main) and main is None
        main = name if is_main else main
        yield Made(path, name, output.type_name(), is_main)


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


def _check_measurements(path: Path, note: Callable[[str], object]) -> None:
    try:
        for sentence in read_measurements(path).left_out.sentences():
            note(f"{path.name}: {sentence}, left out of the light curve")
    except ValueError as error:
        raise AsyncError(str(error)) from error
