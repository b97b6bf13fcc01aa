"""Which columns of a table hold the times, the values, their errors and the filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from runners.tables.cells import cell, is_blank
from runners.tables.table import Table
from runners.tables.times import LEAST_JD, LEAST_MJD, MOST_JD, MOST_MJD, date_mjd, is_clock

#: The names that tables give their columns, the most certain ones first.
_TIMES = (
    r"bjd(_?(tdb|utc|tt))?|btjd|bkjd",
    r"(hjd|jd|mjd|tjd|rjd)(_?(tdb|utc|tt))?",
    r"time|date|t|julian_?(date|day)|date_?obs|obs_?date|date_?time|utc?|time_?utc|utc_?time|epoch",
    r"(.*_)?[bhgm]?jd(_.*|\d.*)?|j_d.*|.*(_time|_date)|time_.*|date_.*",
)
_MAGNITUDES = (
    r"mag(nitude)?s?|magpsf",
    r"(calib(rated)?|app(arent)?|diff(erential)?|inst(rumental)?)_?mag(nitude)?s?",
    r"source_amag_t1|mag_?psf.*|mag(nitude)?_.*|.*_mag(nitude)?|.*_amag_t1|diff|delta_?mag|v_c",
)
_FLUXES = (
    r"pdcsap_flux|rel_flux_t1|detrended_flux",
    r"(rel(ative)?|norm(ali[sz]ed)?|diff(erential)?)?_?flux(es)?|rnflux",
    r"sap_flux|kspsap_flux|rel_flux_.*|.*_?flux|flux_.*|rate|counts|[um]?jy",
)
_FILTERS = (r"filter|filt|band|passband|filter_?code|fid|bandpass|filters?_?name|obs_?band", r"f")
_ERRORS = (
    r"(m(ag(nitude)?)?_?)?(err(or)?|unc(ert(ainty)?)?|sigma|sig)s?|(e|d)_?mag|mag_?sig(ma)?",
    r"(std|rms|stdev)(_?err)?|.*_(err(or)?|unc(ertainty)?)",
)
_FLUX_ERRORS = (
    r"(rel_|pdcsap_|sap_)?flux_?(err(or)?|unc(ertainty)?|sigma)|(e|d|sigma)_?flux",
    r"err(or)?s?|unc(ert(ainty)?)?|sigma|d[um]?jy",
)
_FRAMES = (r"(source_)?(file|frame|image|data_?product)(_?name)?|fits(_?file)?",)
_LIMITS = (r"limit|diff_?mag_?lim|lim(iting)?_?mag|mag_?lim(it)?|upper_?limit|limitmag",)
_LIMIT_FLAGS = (r"fainter_?than|is_?limit|non_?det(ection)?",)
#: Columns of quality flags, with the bits that spoil a measurement: those that ZTF's archive masks
#: on request, and any of TESS's and Kepler's, which have these other columns.
_ZTF_FLAGS, _ZTF_BITS = "catflags", 0x8000
_SPACE_FLAGS = (r"(sap_|pdcsap_)?quality",)
_SPACE_COLUMNS = frozenset(("cadenceno", "timecorr", "sap_flux", "pdcsap_flux", "kspsap_flux"))
_NOT_VALUES = re.compile(
    r".*err|.*unc|.*sig|.*snr|.*lim|e_|d_?mag|.*zp|.*zero|.*ref|.*comp|.*airmass|.*bkg|.*model|"
    r".*flag|.*_lc$|.*corrected|.*centr|c_?mag|k_?mag|.*nr$|.*quality"
)
#: Of tables that have a column of magnitudes for each band: V, Vmag, mag_V.
_BANDS = re.compile(r"(?:mag_?)?([UBVRIugrizyJHKGLTo]|[UBVRI]c|[ugrizy]['p])(?:_?mag)?")


@dataclass(frozen=True)
class Value:
    """A column of values with that of their errors; `band` if the column is of one band."""

    place: int
    error: int | None
    band: str | None = None


@dataclass(frozen=True)
class Flags:
    """A column of quality flags, and the bits of them that spoil a measurement."""

    place: int
    bits: int


@dataclass(frozen=True)
class Roles:
    """The places of the columns. `clock` is that of the hours, for times in two columns."""

    time: int
    values: list[Value]
    flux: bool
    filter: int | None = None
    clock: int | None = None
    limit: int | None = None
    limit_flag: int | None = None
    quality: Flags | None = None
    frame: int | None = None

    @property
    def places(self) -> set[int]:
        """The places of all columns that a light curve is read from."""
        places = {self.time, self.filter, self.clock, self.limit, self.limit_flag, self.frame}
        places.add(self.quality.place if self.quality else None)
        places |= {value.place for value in self.values} | {value.error for value in self.values}
        return {place for place in places if place is not None}


def roles_of(table: Table) -> Roles | None:
    """Return what the columns hold; None if there is no time, or nothing measured."""
    return _by_names(table) if table.columns else _by_values(table)


def plain(name: str) -> str:
    """Return a column's name in lower case, without its unit, words joined by `_`."""
    bare = re.sub(r"[\[(][^\])]*[\])]\s*$", "", name.strip().lstrip("#").strip()) or name
    return re.sub(r"[^a-z0-9'+]+", "_", bare.lower()).strip("_")


def _by_names(table: Table) -> Roles | None:
    names = [plain(name) for name in table.columns]
    time = _place(names, _TIMES, table)
    if time is None:
        return None
    found = _values(names, table, time)
    if found is None:
        return None
    values, flux = found
    return Roles(
        time=time,
        values=values,
        flux=flux,
        filter=_place(names, _FILTERS, table),
        clock=_clock(table, time),
        limit=None if flux else _place(names, _LIMITS, table),
        limit_flag=_place(names, _LIMIT_FLAGS, table),
        quality=_flags(names),
        frame=_place(names, _FRAMES, table),
    )


def _flags(names: list[str]) -> Flags | None:
    """Return the quality flags of a mission; "quality" alone may mean anything."""
    if _ZTF_FLAGS in names:
        return Flags(names.index(_ZTF_FLAGS), _ZTF_BITS)
    place = None if _SPACE_COLUMNS.isdisjoint(names) else _named(names, _SPACE_FLAGS)
    return None if place is None else Flags(place, -1)


def missing_columns(table: Table) -> list[str]:
    """Return what of a time and a magnitude no column of the table is called."""
    names = [plain(name) for name in table.columns]
    time = _place(names, _TIMES, table)
    found = _values(names, table, -1 if time is None else time)
    missing = [] if time is not None else ["time"]
    return missing if found and not found[1] else [*missing, "magnitude"]


def _values(names: list[str], table: Table, time: int) -> tuple[list[Value], bool] | None:
    """Return the columns of values, and whether they are fluxes. Magnitudes are preferred."""
    candidates = ["" if _NOT_VALUES.match(name) else name for name in names]
    candidates = ["" if at == time else name for at, name in enumerate(candidates)]
    measured = table.facts.get("MEASUREMENT_TYPE", "") + table.facts.get("MEASUREMENT TYPE", "")
    if "flux" in measured.lower() and "diff" in names:
        place = names.index("diff")
        return [Value(place, _error(names, place, _FLUX_ERRORS, table))], True
    for patterns, errors in ((_MAGNITUDES, _ERRORS), (_FLUXES, _FLUX_ERRORS)):
        found = _place(candidates, patterns, table)
        if found is not None:
            return [Value(found, _error(names, found, errors, table))], patterns is _FLUXES
    bands = _bands(table, names, time)
    return (bands, False) if bands else None


def _bands(table: Table, names: list[str], time: int) -> list[Value]:
    found = []
    for place, name in enumerate(table.columns):
        match = _BANDS.fullmatch(name.strip())
        if match and place != time:
            error = _named(names, (f"{names[place]}_?err(or)?", f"e_?{names[place]}"))
            found.append(Value(place, error, match[1]))
    return found


def _error(names: list[str], value: int, patterns: Sequence[str], table: Table) -> int | None:
    """Return the place of the errors of a column: that which is named after it, or any."""
    name = re.escape(names[value])
    stem = re.sub(r"_t1$", "", names[value])
    own = (
        rf"{name}_?(err(or)?|unc(ertainty)?|sigma)|(err(or)?|e|d|sigma)_?{name}",
        rf"{re.escape(stem)}_err(or)?_t1|{name.replace('mag', 'sigma', 1)}",
    )
    others = ["" if at == value else name for at, name in enumerate(names)]
    found = _named(others, own)
    return _place(others, patterns, table) if found is None else found


def _named(names: list[str], patterns: Sequence[str]) -> int | None:
    for pattern in patterns:
        for place, name in enumerate(names):
            if name and re.fullmatch(pattern, name):
                return place
    return None


def _place(names: list[str], patterns: Sequence[str], table: Table) -> int | None:
    """Return the first column with one of the names, that with values before those without."""
    blank = None
    for pattern in patterns:
        for place, name in enumerate(names):
            if name and re.fullmatch(pattern, name):
                if _is_filled(table, place):
                    return place
                blank = place if blank is None else blank
    return blank


def _is_filled(table: Table, place: int) -> bool:
    cells = [row[place] for row in table.sample if place < len(row)]
    return not table.sample or sum(not is_blank(each) for each in cells) * 2 > len(table.sample)


def _clock(table: Table, time: int) -> int | None:
    """Return the place of the hours, if a column of them follows one of days."""
    row = next((row for row in table.sample if len(row) > time + 1), None)
    follows = row is not None and isinstance(row[time + 1], str) and is_clock(row[time + 1])
    days = row is not None and isinstance(row[time], str) and ":" not in row[time]
    return time + 1 if follows and days else None


def _by_values(table: Table) -> Roles | None:
    """Return what the columns of a table without names hold, by their numbers."""
    width = max((len(row) for row in table.sample), default=0)
    columns = [[row[at] for row in table.sample if at < len(row)] for at in range(width)]
    times = [at for at, cells in enumerate(columns) if _most(cells, _is_time(table))]
    if not times and not _counts_up(columns, table):
        return None
    time = times[0] if times else 0
    clock = _clock(table, time)
    start = (time if clock is None else clock) + 1
    numbers = [at for at in range(start, width) if _most(columns[at], _is_number(table))]
    if not numbers:
        return None
    value = numbers[0]
    shown = _numbers(columns[value], table)
    error = numbers[1] if len(numbers) > 1 and _are_errors(columns[numbers[1]], table) else None
    names = [at for at in range(start, width) if at not in numbers and _is_names(columns[at])]
    # A flux relative to 1; a star of magnitude 1 is rarer, and seldom without a word about it.
    flux = bool(shown) and (0.5 < median(shown) < 1.5 or not -5 < median(shown) < 35)
    return Roles(
        time=time,
        values=[Value(value, error)],
        flux=flux,
        filter=names[0] if names else None,
        clock=clock,
    )


def _most(cells: list[Any], test: Callable[[Any], bool]) -> bool:
    return sum(map(test, cells)) > 0.6 * len(cells) if cells else False


def _is_number(table: Table) -> Callable[[Any], bool]:
    return lambda each: cell(each, decimal_comma=table.decimal_comma).number is not None


def _is_time(table: Table) -> Callable[[Any], bool]:
    def test(each: Any) -> bool:
        number = cell(each, decimal_comma=table.decimal_comma).number
        if number is None:
            return isinstance(each, str) and len(each) < 50 and date_mjd(each) is not None
        return LEAST_JD <= number < MOST_JD or LEAST_MJD <= number <= MOST_MJD

    return test


def _numbers(cells: list[Any], table: Table) -> list[float]:
    found = [cell(each, decimal_comma=table.decimal_comma).number for each in cells]
    return [number for number in found if number is not None]


def _counts_up(columns: list[list[Any]], table: Table) -> bool:
    """Return whether a narrow table's first column may be times from an unknown zero point."""
    if not 2 <= len(columns) <= 4:
        return False
    numbers = _numbers(columns[0], table)
    return len(numbers) > 2 and all(low < high for low, high in pairwise(numbers))


def _are_errors(cells: list[Any], table: Table) -> bool:
    numbers = _numbers(cells, table)
    return bool(numbers) and median(numbers) < 1.5 and min(numbers) >= 0


def _is_names(cells: list[Any]) -> bool:
    names = {str(each).strip() for each in cells}
    return 0 < len(names) <= 10 and all(len(name) <= 10 for name in names)
