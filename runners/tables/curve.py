"""The light curve in a table: its points, and what of its rows is left out and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from runners.tables.cells import Cell, cell, error_stands_for_blank, is_blank, stands_for_blank
from runners.tables.columns import Roles, Value, roles_of
from runners.tables.table import Row, Table
from runners.tables.times import LEAST_JD, MJD_OF_JD, MOST_JD, Zero, date_mjd, zero_of

#: How many rows of each kind are named that are left out.
NAMED_ROWS = 10
LONGEST_FILTER = 50
LONGEST_FRAME = 200
#: ZTF numbers and codes its filters.
_FILTERS = {"zg": "g", "zr": "r", "zi": "i"}
_NUMBERED = {"1": "g", "2": "r", "3": "i"}


class Point(NamedTuple):
    """A value at a time; for a `limit` the object was fainter than that.

    `time` is in MJD if the zero point of the table's times is known. `frame` is the name of the
    file that was measured, if the table has a column of them.
    """

    time: float
    value: float
    error: float | None
    filter: str | None
    limit: bool
    frame: str | None = None


class Problem(NamedTuple):
    """Why a row, or a cell, gives nothing: a blank, or `wrong`.

    `what` is "time", "magnitude", "flux", "error" or "filter", or "flag" for a measurement that
    its source calls bad. `number` is that of a cell which holds one, but not a possible one.
    """

    row: Row
    column: str
    given: Any
    what: str
    wrong: bool
    number: float | None = None

    @property
    def reason(self) -> str:
        """Why it gives nothing."""
        if self.what == "flag":
            return "a quality flag set"
        return f"not a valid {self.what}" if self.wrong else f"no {self.what}"

    @property
    def place(self) -> str:
        """Where it is: the row and the column."""
        return f"row {self.row.number}, column {self.column}"


@dataclass
class LeftOut:
    """What was left out, counted by reason, with the first rows of each."""

    counts: dict[str, int] = field(default_factory=dict)
    rows: dict[str, list[int]] = field(default_factory=dict)

    def add(self, problem: Problem) -> None:
        """Count a problem."""
        self.counts[problem.reason] = self.counts.get(problem.reason, 0) + 1
        rows = self.rows.setdefault(problem.reason, [])
        if len(rows) < NAMED_ROWS and problem.row.number not in rows:
            rows.append(problem.row.number)

    def sentences(self) -> list[str]:
        """Return a sentence about each reason."""
        return [
            f"{count:,} {'row has' if count == 1 else 'rows have'} {reason}: "
            f"{', '.join(map(str, self.rows[reason]))}"
            f"{', …' if count > len(self.rows[reason]) else ''}"
            for reason, count in self.counts.items()
        ]

    def fields(self) -> list[dict[str, Any]]:
        """Return the reasons with their counts and rows, for JSON."""
        return [
            {"reason": reason, "count": count, "rows": self.rows[reason]}
            for reason, count in self.counts.items()
        ]


class Curve:
    """The light curve of a table with a time and something measured."""

    def __init__(self, table: Table, roles: Roles) -> None:
        self._table = table
        self._roles = roles
        self._written_dates = False
        self.zero = self._zero()

    @property
    def flux(self) -> bool:
        """Whether the values are fluxes rather than magnitudes."""
        return self._roles.flux

    @property
    def value_name(self) -> str:
        """What the table calls the values."""
        return self._table.column(self._roles.values[0].place) if self._table.columns else ""

    @property
    def time_name(self) -> str:
        """What the table calls the times."""
        return self._table.column(self._roles.time)

    def read(self, rows: Iterable[Row]) -> Iterator[Point | Problem]:
        """Yield the points of rows, and the problems of those that give none, in their order."""
        for row in rows:
            yield from self._read_row(row)

    def _zero(self) -> Zero:
        place = self._roles.time
        name = self._table.columns[place] if self._table.columns else ""
        facts = self._table.facts
        stated = facts.get("DATE") or facts.get("DATE_TYPE") or ""
        if name.lower() in ("date", "time") and stated:
            name = stated  # AAVSO's header says what its dates are
        samples = [row[place] for row in self._table.sample if place < len(row)]
        first = next((each for each in map(self._cell, samples) if each.number is not None), None)
        if first is None and any(isinstance(s, str) and date_mjd(s) is not None for s in samples):
            self._written_dates = True
            return Zero(0.0, "MJD")
        return zero_of(name, self._table.units.get(place, ""), first.number if first else None)

    def _cell(self, given: Any) -> Cell:
        return cell(given, decimal_comma=self._table.decimal_comma)

    def _read_row(self, row: Row) -> Iterator[Point | Problem]:
        if not any(not is_blank(given) for given in row.cells):
            return
        if (flagged := self._bad(row)) is not None:
            yield flagged
            return
        time = self._time(row)
        if isinstance(time, Problem):
            yield time
            return
        name = self._filter(row)
        if isinstance(name, Problem):
            yield name
            name = None
        frame = self._frame(row)
        for value in self._roles.values:
            for found in self._value(row, value, time, value.band or name):
                yield found._replace(frame=frame) if isinstance(found, Point) and frame else found

    def _bad(self, row: Row) -> Problem | None:
        """Return the quality flag that spoils a row, if any does."""
        flags = self._roles.quality
        number = None if flags is None else self._cell(_at(row, flags.place)).number
        if flags is None or number is None or not number.is_integer():
            return None
        return self._problem(row, flags.place, "flag") if int(number) & flags.bits else None

    def _time(self, row: Row) -> float | Problem:
        given = _at(row, self._roles.time)
        if self._written_dates:
            clock = _at(row, self._roles.clock)
            written = f"{given} {clock}" if isinstance(clock, str) else str(given)
            mjd = None if is_blank(given) else date_mjd(written[:60])
            if mjd is not None:
                return round(mjd, 9)
            return self._problem(row, self._roles.time, "time", wrong=not is_blank(given))
        number = self._cell(given).number
        if number is None:
            return self._problem(row, self._roles.time, "time", wrong=self._cell(given).wrong)
        if number < -90 and error_stands_for_blank(given):
            return self._problem(row, self._roles.time, "time", wrong=False)
        return self._mjd(number)

    def _mjd(self, number: float) -> float:
        """Return a time in MJD; a Julian Date is known by its size, among others as well."""
        if LEAST_JD <= number < MOST_JD:
            return round(number - MJD_OF_JD, 9)
        offset = self.zero.offset
        return number if not offset or offset == -MJD_OF_JD else round(number + offset, 9)

    def _filter(self, row: Row) -> str | Problem | None:
        given = _at(row, self._roles.filter)
        if given is None:
            return None
        name = str(given).strip()
        assert self._roles.filter is not None
        if not (name.isprintable() and len(name) <= LONGEST_FILTER):
            return self._problem(row, self._roles.filter, "filter", wrong=True)
        if name == "na":  # AAVSO's word for what is not known
            return None
        if self._table.column(self._roles.filter).lower() == "fid":
            return _NUMBERED.get(name, name) or None
        return _FILTERS.get(name, name) or None

    def _frame(self, row: Row) -> str | None:
        """Return the name of the file that was measured, without its folders."""
        given = _at(row, self._roles.frame)
        if not isinstance(given, str) or is_blank(given):
            return None
        return given.strip().replace("\\", "/").rpartition("/")[2][:LONGEST_FRAME] or None

    def _value(
        self, row: Row, value: Value, time: float, band: str | None
    ) -> Iterator[Point | Problem]:
        given, error = _at(row, value.place), _at(row, value.error)
        found = self._cell(given)
        what = "flux" if self.flux else "magnitude"
        if found.wrong:
            yield self._problem(row, value.place, what, wrong=True)
        elif found.number is None or stands_for_blank(
            given, found.number, flux=self.flux, error=error
        ):
            yield self._limit(row, time, band) or self._problem(row, value.place, what, wrong=False)
        elif found.limit or self._flagged(row):
            yield Point(time, found.number, None, band, True)
        else:
            spread = self._error(row, value)
            if isinstance(spread, Problem):
                yield spread
                spread = None
            yield Point(time, found.number, spread, band, False)

    def _limit(self, row: Row, time: float, band: str | None) -> Point | None:
        """Return the limit of a row without a detection, if a column holds it."""
        given = _at(row, self._roles.limit)
        number = self._cell(given).number
        if number is None or stands_for_blank(given, number, flux=False, error=None):
            return None
        return Point(time, number, None, band, True)

    def _flagged(self, row: Row) -> bool:
        flag = _at(row, self._roles.limit_flag)
        return not is_blank(flag) and str(flag).strip().lower() in ("1", "1.0", "true", "yes", "y")

    def _error(self, row: Row, value: Value) -> float | Problem | None:
        if value.error is None:
            return None
        given = _at(row, value.error)
        found = self._cell(given)
        if found.wrong:
            return self._problem(row, value.error, "error", wrong=True)
        if found.number is None or error_stands_for_blank(given):
            return None
        if found.number < 0:
            return self._problem(row, value.error, "error", wrong=True)
        return found.number

    def _problem(self, row: Row, place: int, what: str, *, wrong: bool = False) -> Problem:
        given = _at(row, place)
        return Problem(row, self._table.column(place), given, what, wrong, self._cell(given).number)


def curve_of(table: Table) -> Curve | None:
    """Return the light curve of a table; None if it has no time, or nothing measured."""
    roles = roles_of(table)
    return None if roles is None else Curve(table, roles)


def _at(row: Row, place: int | None) -> Any:
    return row.cells[place] if place is not None and place < len(row.cells) else None
