"""Times of tables as Modified Julian Dates, and what is written about their zero points."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

MINUS = "\N{MINUS SIGN}"
MJD_OF_JD = 2_400_000.5
LEAST_JD = 2_400_000.0
MOST_JD = 2_600_000.0
#: Modified Julian Dates between 1899 and 2132; other numbers do not tell what they count from.
LEAST_MJD, MOST_MJD = 15_000.0, 100_000.0
_UNIX_EPOCH_MJD = 40_587.0
#: The zero points that these names stand for, as Julian Dates.
_NAMED = {"btjd": 2_457_000.0, "tjd": 2_457_000.0, "bkjd": 2_454_833.0, "rjd": 2_400_000.0}
_OFFSET = re.compile(
    r"(?:\b|_)[bhg]?(?:jd|j\.d\.?)\D*?[-\u2212\u2013+(_ ]\s*(24\d{5}(?:\.\d+)?)", re.I
)
_NAME = re.compile(r"(?:^|[^a-z])(btjd|bkjd|tjd|rjd|mjd|[bhg]?jd)(?:$|[^a-z])", re.I)
_DAY_FIRST = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(.*)", re.S)
_DATE = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}\.\d{1,2}\.\d{4}")
_CLOCK = re.compile(r"\s*\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s*(?:Z|UTC|UT)?\s*", re.I)


class Zero(NamedTuple):
    """What is added to a column's numbers for MJD, and what the times are called then.

    `offset` is None if it is not known: then times stay as they are.
    """

    offset: float | None
    label: str


def zero_of(name: str, unit: str, first: float | None) -> Zero:
    """Return the zero point of a column of times by its name, its unit and its first number."""
    stated = f"{name} {unit}"
    system = _system(name) or _system(unit) or "JD"
    named = _NAME.search(stated)
    word = named[1].lower() if named else ""
    if first is not None and LEAST_JD <= first < MOST_JD:
        return Zero(-MJD_OF_JD, f"{system} {MINUS} 2400000.5")
    if match := _OFFSET.search(stated):
        return Zero(float(match[1]) - MJD_OF_JD, f"{system} {MINUS} 2400000.5")
    if word in _NAMED:
        return Zero(_NAMED[word] - MJD_OF_JD, f"{word.upper()} as MJD")
    plain_jd = word.endswith("jd") and word != "mjd"
    if first is not None and LEAST_MJD <= first <= MOST_MJD and not plain_jd:
        return Zero(0.0, "MJD")
    return Zero(None, name or "Time")


def _system(name: str) -> str:
    """Return what a name calls its dates, without a zero point: BJD_TDB, or nothing."""
    match = re.match(r"\s*([bhg]?jd(?:[_ ](?:tdb|utc|tt))?)(?![a-z])", name, re.I)
    return match[1].upper().replace(" ", "_") if match else ""


def date_mjd(text: str) -> float | None:
    """Return a written date and time as MJD, None if it is none; it is UTC unless it says else.

    ISO 8601, with a blank or `T`, with `/` or `.` (day first) in the date, a decimal comma, `UTC`.
    """
    bare = text.strip()
    if not _DATE.match(bare):
        return None
    if day_first := _DAY_FIRST.fullmatch(bare):
        day, month, year, rest = day_first.groups()
        bare = f"{year}-{month}-{day}{rest}"
    bare = re.sub(r"\s*(?:\(?UTC?\)?|\[UTC?\])$", "", bare, flags=re.I)
    bare = re.sub(r"^(\d{4})[-/](\d{1,2})[-/](\d{1,2})", _padded, bare).replace(",", ".")
    bare = re.sub(r"(?<=\d)\s*[T ]\s*(\d):", r"T0\1:", bare)
    try:
        found = datetime.fromisoformat(_microseconds(bare))
        aware = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return _UNIX_EPOCH_MJD + aware.timestamp() / 86400
    except (ValueError, OverflowError):
        return None


def _padded(match: re.Match[str]) -> str:
    year, month, day = match.groups()
    return f"{year}-{month:0>2}-{day:0>2}"


def _microseconds(text: str) -> str:
    """Return a time with at most six decimals, as `datetime` reads them."""
    return re.sub(r"(\.\d{6})\d+", r"\1", text)


def is_clock(text: str) -> bool:
    """Return whether a text is the time of a day."""
    return _CLOCK.fullmatch(text) is not None
