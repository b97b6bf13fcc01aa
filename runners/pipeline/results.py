"""What a pipeline returns: files and measurements, in all the forms in which authors write them.

Whether the files exist and can be read is left to `outputs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from runners.pipeline.errors import AsyncError

DATA_PRODUCT, REDUCED_DATUM = "DataProduct", "ReducedDatum"
#: How long the type of a data product may be.
TYPE_LENGTH = 50


class DataProduct:
    """As `output_type`: the file becomes a data product."""


class ReducedDatum:
    """As `output_type`: the file is a table of measurements, see `pipeline.measurements`."""


class _Fields(NamedTuple):
    path: str | Path | None
    output_type: type | str = DataProduct
    data_product_type: str = ""
    data: Any = None
    name: str | None = None
    main: bool = False


class PipelineOutput(_Fields):
    """A file that a pipeline made. `output_type` is `DataProduct` or `ReducedDatum`, or its name.

    `main` marks the one to show first, `name` is what the file will be called. The others are those
    of tom_education: `data_product_type` (or `tag`) says what kind of file it is, as a word of the
    author's; `data` is a single measurement in place of a file: its time in MJD, its magnitude, the
    error or None, and the file that it was measured in, by name or path.
    """

    __slots__ = ()

    def __new__(
        cls,
        path: str | Path | None = None,
        output_type: type | str = DataProduct,
        data_product_type: str = "",
        data: Any = None,
        name: str | None = None,
        main: bool = False,
        *,
        tag: str | None = None,
    ) -> PipelineOutput:
        """Take the fields; a text in the place of `data` is the name, as it stood there before."""
        if isinstance(data, str) and isinstance(name, bool):
            data, name, main = None, data, name
        elif isinstance(data, str) and name is None:
            data, name = None, data
        kind = data_product_type or tag or ""
        return super().__new__(cls, path, output_type, kind, data, name, main)

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what a copy is made of."""
        return tuple(self)

    def type_name(self) -> str:
        """Return `DataProduct` or `ReducedDatum`. Raise AsyncError for anything else."""
        given = self.output_type
        name = given if isinstance(given, str) else getattr(given, "__name__", str(given))
        if name not in (DATA_PRODUCT, REDUCED_DATUM):
            raise AsyncError(f"Invalid output type '{name}'")
        return name

    def kind(self) -> str:
        """Return the `data_product_type` as it is stored: a short text."""
        text = str(self.data_product_type or "").strip()[:TYPE_LENGTH]
        return text.encode("utf-8", "replace").decode()


def outputs_of(result: Any) -> Iterator[PipelineOutput]:
    """Yield the outputs of `do_pipeline` one by one. Raise AsyncError for anything else."""
    if result is None:
        return
    if isinstance(result, str | Path | PipelineOutput):
        result = [result]
    for item in result:
        yield _output(item)


def _output(item: Any) -> PipelineOutput:
    if isinstance(item, PipelineOutput):
        output = item
    elif isinstance(item, list | tuple):
        output = _of_sequence(item)
    else:
        output = PipelineOutput(item)
    if not isinstance(output.path, str | Path) and output.data is None:
        raise AsyncError(f"An output must be a path, not {type(output.path).__name__}")
    output.type_name()
    return output


def _of_sequence(item: Any) -> PipelineOutput:
    try:
        return PipelineOutput(*item)
    except TypeError as error:
        raise AsyncError(
            f"An output must be (path, output type, data product type, data), not {item!r:.100}"
        ) from error


#: Time in MJD, magnitude, its error, and the name of the file that was measured.
Row = tuple[float | None, float | None, float | None, str | None]


def measurement_of(data: Any) -> Row:
    """Return an output's `data`, with None for each number that is none, or is not finite.

    Raise AsyncError for anything but a sequence of 2 to 4 of which these are the first ones.
    """
    try:
        time, magnitude, *rest = data
        error, file = rest + [None] * (2 - len(rest))
        return _number(time), _number(magnitude), _number(error), _file_name(file)
    except (TypeError, ValueError) as error:
        raise AsyncError(
            f"The data of an output must be (MJD, magnitude, error, file), not {data!r:.100}"
        ) from error


def _file_name(file: Any) -> str | None:
    """Return the name of a file that is given as its name, its path or something with a name."""
    if file is None:
        return None
    return Path(str(getattr(file, "name", file))).name or None


def _number(value: Any) -> float | None:
    """Return a number, None for none and for what is not finite. Raise TypeError or ValueError."""
    if value is None:
        return None
    if isinstance(value, str | bytes | bool):
        raise TypeError
    number = float(value)
    return number if -1e300 < number < 1e300 else None
