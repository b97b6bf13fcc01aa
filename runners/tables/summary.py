"""What is shown of a table, as JSON: its first rows, and the light curve in it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

from runners.tables.curve import Curve, LeftOut, Point, Problem, curve_of
from runners.tables.table import Row, Table
from runners.tables.text import TableError

#: How many rows and columns of the table itself are shown.
SHOWN_ROWS, SHOWN_COLUMNS = 300, 200
LONGEST_CELL = 200
#: How many rows are read for a light curve, and for how long; the rest is not looked at. TESS takes
#: 116,640 frames in a sector of 27 days, one in 20 s.
MOST_CURVE_ROWS = 120_000
READ_SECONDS = 5.0
_TEXT_REPLACED = str.maketrans({"\u202a": " ", "\u202b": " ", "\u202d": " ", "\u202e": " "})


def summary(table: Table, most_points: int, *, strict: bool = False) -> str:
    """Return a table as JSON.

    `columns`, the first `rows`, and `lightcurve`, null if there is none: its `quantity` ("flux" or
    "magnitude"), the `value` column's name, what its `time` is, whether that is in `mjd`, `points`
    as [time, value, error, filter, limit], every `step`-th, so that they are at most `most_points`;
    of how many (`count`), what was `left_out` and why, and whether the table is `cut`: then rows
    after those that were read are missing. `strict` raises TableError for whatever of the light
    curve is wrong, too much, or missing.
    """
    curve = curve_of(table)
    if curve is None and strict:
        raise TableError(table.name, "has no column of times, or none of magnitudes or fluxes")
    # Comments and blank lines are few; twice as many lines for line ends of two characters.
    if strict and (table.cut or (table.most_rows or 0) > 2 * most_points + SHOWN_ROWS):
        raise _too_many(table, most_points)
    first = list(islice(table.rows, SHOWN_ROWS))
    shown = [[_shown(cell) for cell in row.cells[:SHOWN_COLUMNS]] for row in first]
    found = None if curve is None else _light_curve(table, curve, first, most_points, strict)
    columns = [_shown(name) for name in table.columns[:SHOWN_COLUMNS]]
    return json.dumps({"columns": columns, "rows": shown, "lightcurve": found}, ensure_ascii=False)


def _light_curve(
    table: Table, curve: Curve, first: list[Row], most_points: int, strict: bool
) -> dict[str, Any] | None:
    points, left_out, more = _read(table, curve, first, strict)
    if strict:
        _check(table, curve, len(points), most_points, more)
    if len(points) < (2 if curve.flux else 1):  # a single flux is no light curve
        return None
    step = max(1, -(-len(points) // most_points))
    return {
        "quantity": "flux" if curve.flux else "magnitude",
        "value": _shown(curve.value_name),
        "time": _shown(curve.zero.label),
        "mjd": curve.zero.offset is not None,
        "points": [point[:5] for point in points[::step]],
        "count": len(points),
        "step": step,
        "left_out": left_out.fields(),
        "cut": more,
    }


def _read(
    table: Table, curve: Curve, first: list[Row], strict: bool
) -> tuple[list[Point], LeftOut, bool]:
    """Return the points, the problems, and whether there are more rows than are read."""
    points: list[Point] = []
    left_out = LeftOut()
    for each in curve.read(first):
        _take(each, table, points, left_out, strict)
    rest = islice(table.rows, MOST_CURVE_ROWS - len(first))
    for each in curve.read(rest if strict else _in_time(rest)):
        _take(each, table, points, left_out, strict)
    more = table.cut or next(table.rows, None) is not None
    return points, left_out, more


def _in_time(rows: Iterator[Row]) -> Iterator[Row]:
    """Yield rows until it takes too long to wait for."""
    end = time.monotonic() + READ_SECONDS
    for row in rows:
        yield row
        if not row.number % 1_000 and time.monotonic() > end:
            return


def _take(
    each: Point | Problem, table: Table, points: list[Point], left_out: LeftOut, strict: bool
) -> None:
    if isinstance(each, Point):
        points.append(each)
    elif each.wrong and strict:
        raise TableError(f"{table.name}, {each.place}:", f"{each.given!r:.60} is {each.reason}")
    else:
        left_out.add(each)


def _check(table: Table, curve: Curve, count: int, most_points: int, more: bool) -> None:
    """Raise TableError for a light curve that cannot be taken as a whole."""
    if count > most_points or more:
        raise _too_many(table, most_points)
    if curve.zero.offset is None:
        raise TableError(
            table.name,
            f"does not tell from when its times count: name the column {_shown(curve.time_name)} "
            "JD, MJD, or after its zero point, as BJD-2457000",
        )
    if not count:
        raise TableError(table.name, "has no measurement")


def _too_many(table: Table, most_points: int) -> TableError:
    return TableError(table.name, f"has more than {most_points:,} measurements, or is too large")


def _shown(cell: Any) -> str:
    """Return a cell as text that is printable and reads as it is stored, whatever its script."""
    text = "" if cell is None else str(cell)[:LONGEST_CELL]
    return "".join(c if c.isprintable() else " " for c in text.translate(_TEXT_REPLACED))
