"""Reduced data: the tables of measurements that a pipeline returns as `ReducedDatum`.

A table is CSV with a header line, or JSON: an object, or a list of objects. Times are Modified
Julian Dates in days, as in surveys (JD less 2,400,000.5); Julian Dates are recognised by their
size. Storing them is left to the server.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

#: How many one run may return: a night's light curve has thousands.
MOST_MEASUREMENTS = 100_000
MOST_BYTES = 32 * 2**20
LEAST_JD = 2_400_000.0
MJD_OF_JD = 2_400_000.5
FILTER_CHARACTERS = 50


class Measurement(NamedTuple):
    """A target's magnitude at a time in MJD; `error` in magnitudes, None if unknown."""

    time: float
    magnitude: float
    error: float | None
    filter: str | None


def mjd(time: float) -> float:
    """Return a time in MJD, given in MJD or as a Julian Date."""
    return time - MJD_OF_JD if time >= LEAST_JD else time


def read_measurements(path: Path) -> list[Measurement]:
    """Return the measurements of a table, in its order.

    The columns `time` and `magnitude` are required, `error` and `filter` are optional, others are
    ignored. Raise ValueError with a sentence that names the file, and the row if one is invalid.
    """
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} is larger than {MOST_BYTES:,} bytes")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name} is not valid UTF-8") from error
    found = []
    for number, row in enumerate(_rows(path.name, text), 1):
        if number > MOST_MEASUREMENTS:
            raise ValueError(f"{path.name} has more than {MOST_MEASUREMENTS:,} measurements")
        try:
            found.append(_measurement(row))
        except ValueError as error:
            raise ValueError(f"{path.name}, measurement {number}: {error}") from error
    return found


def _rows(name: str, text: str) -> Iterable[Mapping[str, Any]]:
    if text.lstrip()[:1] in ("{", "["):
        return _json_rows(name, text)
    table = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)
    names = [column.strip().lower() for column in next(table, [])]
    if missing := [column for column in ("time", "magnitude") if column not in names]:
        raise ValueError(f"{name} has no column {' and no column '.join(missing)}")
    # A short row lacks its last columns; the surplus of a long one has no names and is dropped.
    return (dict(zip(names, row, strict=False)) for row in table if row)


def _json_rows(name: str, text: str) -> Iterable[Mapping[str, Any]]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is no JSON: {error!s:.200}") from error
    rows = given if isinstance(given, list) else [given]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError(f"{name} is no list of objects")
    return ({key.lower(): value for key, value in row.items()} for row in rows)


def _measurement(row: Mapping[str, Any]) -> Measurement:
    error, name = row.get("error"), row.get("filter")
    measured = Measurement(
        mjd(_number(row, "time")),
        _number(row, "magnitude"),
        None if error is None or error == "" else _number(row, "error"),
        None if name is None else str(name).strip() or None,
    )
    if measured.error is not None and measured.error < 0:
        raise ValueError(f"error {measured.error:g} is below 0")
    if measured.filter and not (
        measured.filter.isprintable() and len(measured.filter) <= FILTER_CHARACTERS
    ):
        raise ValueError(f"filter is not up to {FILTER_CHARACTERS} visible characters")
    return measured


def _number(row: Mapping[str, Any], name: str) -> float:
    given = row.get(name)
    try:
        number = math.nan if given is None or isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name} {given!r:.60} is no finite number")
    return number
