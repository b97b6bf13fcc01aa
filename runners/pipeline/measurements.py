"""Reduced data: the tables of measurements that a pipeline returns as `ReducedDatum`.

What tables are read, and how, is left to `runners.tables`; here they must be magnitudes, with a
header. Times are Modified Julian Dates in days, as in surveys (JD less 2,400,000.5); Julian Dates
are recognised by their size. Storing them is left to the server.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from runners.tables.columns import missing_columns
from runners.tables.curve import LONGEST_FILTER, Curve, LeftOut, Point, Problem, curve_of
from runners.tables.formats import parse
from runners.tables.table import Table
from runners.tables.text import NoTable, TableError, read_text
from runners.tables.times import LEAST_JD, MJD_OF_JD

#: How many one run may return: a night's light curve has thousands.
MOST_MEASUREMENTS = 100_000
MOST_BYTES = 32 * 2**20


class Measurement(NamedTuple):
    """A target's magnitude at a time in MJD; `error` in magnitudes, None if unknown.

    For a `limit`, the target was fainter than that.
    """

    time: float
    magnitude: float
    error: float | None
    filter: str | None
    limit: bool = False


class Measurements(list[Measurement]):
    """The measurements of a table; `left_out` says what of its rows had none."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out = LeftOut()


class NoMeasurements(TableError):
    """A text that has neither times nor magnitudes: not a bad light curve, but none."""


def mjd(time: float) -> float:
    """Return a time in MJD, given in MJD or as a Julian Date."""
    return time - MJD_OF_JD if time >= LEAST_JD else time


def read_measurements(path: Path) -> Measurements:
    """Return the measurements of a table, in its order; rows with blanks are left out.

    A time and a magnitude are required, an error and a filter are optional, other columns are
    ignored. Raise ValueError with a sentence that names the file, and the row if one is invalid;
    NoMeasurements for a text that is something else.
    """
    if path.stat().st_size > MOST_BYTES:
        raise TableError(path.name, f"is larger than {MOST_BYTES:,} bytes")
    text, _ = read_text(path, MOST_BYTES)
    try:
        table = parse(text, path.name)
    except NoTable as error:
        raise _without(path.name, ["time", "magnitude"]) from error
    if missing := [] if table.is_empty else missing_columns(table):
        raise _without(path.name, missing)
    curve = curve_of(table)
    return Measurements() if curve is None else _read(curve, table)


def _without(name: str, missing: list[str]) -> TableError:
    kind = NoMeasurements if {"time", "magnitude"} <= set(missing) else TableError
    return kind(name, f"has no column {' and no column '.join(missing)}")


def _read(curve: Curve, table: Table) -> Measurements:
    found = Measurements()
    for each in curve.read(table.rows):
        if isinstance(each, Point):
            found.append(Measurement(*each))
        elif each.wrong:
            raise TableError(f"{table.name}, measurement {each.row.number}:", _in_words(each))
        else:
            found.left_out.add(each)
        if len(found) > MOST_MEASUREMENTS:
            raise TableError(table.name, f"has more than {MOST_MEASUREMENTS:,} measurements")
    return found


def _in_words(problem: Problem) -> str:
    if problem.what == "filter":
        return f"{problem.column} is not up to {LONGEST_FILTER} visible characters"
    if problem.number is not None:
        return f"{problem.column} {problem.number:g} is below 0"
    return f"{problem.column} {problem.given!r:.60} is no finite number"
