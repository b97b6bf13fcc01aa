"""The date of an observation: from the FITS keywords for time to Unix seconds in UTC.

Follows section 9 of the FITS standard 4.0 where headers do, and the habits of observatories where
they do not: local times with or without a zone, date and time in two keywords, `dd/mm/yy`. Reading
the files is left to `images` and `metadata`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import erfa

Header = Mapping[str, object]

DAY_SECONDS = 86400.0
#: MJD of 1970-01-01T00:00 UTC.
EPOCH_MJD = 40587.0
#: Years 1886 to 2132: anything outside is a placeholder or not an MJD.
PLAUSIBLE_MJD = (10_000.0, 100_000.0)
#: Time zones differ by multiples of this: a smaller difference is rounding or a mid-exposure MJD.
LEAST_ZONE_SECONDS = 15 * 60.0
#: How far each time scale is ahead of TAI, in seconds (FITS standard 4.0, table 30).
AHEAD_OF_TAI = {"TAI": 0.0, "IAT": 0.0, "GPS": -19.0, "TT": 32.184, "TDT": 32.184,
                "ET": 32.184, "TDB": 32.184}  # fmt: skip
#: Keywords that give the time of day, UT, where `DATE-OBS` has the day only.
TIME_KEYWORDS = ("UT-OBS", "UTC-OBS", "TIME-OBS", "UTC", "UT")

_TIME = r"(\d{1,2}):(\d{1,2})(?::(\d{1,2}(?:\.\d*)?))?"
_TIME_ONLY = re.compile(rf"{_TIME}\s*(?:Z|UTC?)?", re.ASCII)
_ZONE = r"\s*(Z|UTC?|[+-]\d{2}:?(?:\d{2})?)?"
_ISO = re.compile(rf"(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})(?:[T ]{_TIME}{_ZONE})?", re.ASCII)
_OLD = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Moment:
    """The value of a date keyword in Unix seconds: `timed` with a time of day, `zoned` with a zone.

    Without a zone it is read as UTC.
    """

    seconds: float
    timed: bool
    zoned: bool


def observation_date(headers: Iterable[Header]) -> float:
    """Return the Unix time of the first of a file's headers that has a date.

    Raise ValueError, with a sentence that lacks only the file's name, if none has.
    """
    problem = "has no observation date (DATE-OBS, UT-OBS, MJD-OBS or DATE-AVG)"
    for header in headers:
        date = date_of(header)
        if date is not None:
            return date
        unreadable = str(header.get("DATE-OBS") or "").strip()
        if unreadable:
            problem = f"has an observation date that cannot be read: DATE-OBS is '{unreadable:.80}'"
    raise ValueError(problem)


def date_of(header: Header) -> float | None:
    """Return the Unix time at which a header's exposure began (or its middle), None if unknown.

    A `UT-OBS` with date and time takes precedence, then a `DATE-OBS` with a zone. Without a zone it
    is UTC by the standard, but local time in many files: `UT-OBS` and `MJD-OBS` decide.
    """
    moment = parse_date(header.get("UT-OBS"))
    if moment is not None and moment.timed:
        return moment.seconds
    begun = parse_date(header.get("DATE-OBS")) or parse_date(header.get("DATE-BEG"))
    if begun is None:
        return _without_date_obs(header)
    if begun.zoned:
        return begun.seconds
    return _zoneless(begun, header) if begun.timed else _day_only(begun, header)


def parse_date(value: object) -> Moment | None:
    """Parse a date keyword: ISO 8601 with or without time and zone, or `dd/mm/yy` of 19yy."""
    text = value.strip() if isinstance(value, str) else ""
    if iso := _ISO.fullmatch(text):
        midnight = _midnight(int(iso[1]), int(iso[2]), int(iso[3]))
        clock, zone = _clock_seconds(iso[4], iso[5], iso[6]), iso[7]
        if midnight is None or clock is None:
            return None
        seconds = midnight + clock - _zone_seconds(zone)
        return Moment(seconds, timed=iso[4] is not None, zoned=zone is not None)
    if old := _OLD.fullmatch(text):
        midnight = _midnight(1900 + int(old[3]), int(old[2]), int(old[1]))
        return None if midnight is None else Moment(midnight, timed=False, zoned=False)
    return None


def _without_date_obs(header: Header) -> float | None:
    if (mjd := _mjd(header, "MJD-OBS")) is not None:
        return mjd
    if (average := parse_date(header.get("DATE-AVG"))) is not None:
        return average.seconds if average.zoned else _to_utc(average.seconds, header)
    return _mjd(header, "MJD-AVG")


def _zoneless(begun: Moment, header: Header) -> float:
    """Correct a date and time without a zone by the keywords that are certainly UT."""
    clock = _clock(header, "UT-OBS")
    if clock is not None:
        days = round((begun.seconds - clock) / DAY_SECONDS)
        return days * DAY_SECONDS + clock
    seconds = _to_utc(begun.seconds, header)
    mjd = _mjd(header, "MJD-OBS")
    # MJD-OBS is often rounded to minutes or to the day, so it decides but is not preferred.
    if mjd is None or mjd % DAY_SECONDS == 0 or abs(mjd - seconds) < LEAST_ZONE_SECONDS:
        return seconds
    return mjd


def _day_only(begun: Moment, header: Header) -> float:
    for keyword in TIME_KEYWORDS:
        clock = _clock(header, keyword)
        if clock is not None:
            return begun.seconds + clock
    mjd = _mjd(header, "MJD-OBS")
    return begun.seconds if mjd is None else mjd


def _midnight(year: int, month: int, day: int) -> float | None:
    try:
        return datetime(year, month, day, tzinfo=UTC).timestamp()
    except ValueError:
        return None


def _clock_seconds(hours: str | None, minutes: str | None, seconds: str | None) -> float | None:
    """Return the seconds since midnight, None for an impossible time; leap seconds are allowed."""
    h, m, s = int(hours or 0), int(minutes or 0), float(seconds or 0)
    return h * 3600 + m * 60 + s if h <= 24 and m < 60 and s < 61 else None


def _clock(header: Header, keyword: str) -> float | None:
    value = header.get(keyword)
    match = _TIME_ONLY.fullmatch(value.strip()) if isinstance(value, str) else None
    return None if match is None else _clock_seconds(match[1], match[2], match[3])


def _zone_seconds(zone: str | None) -> float:
    """Return how far local time is ahead of UTC."""
    if zone is None or zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    ahead = int(digits[:2]) * 3600.0 + int(digits[2:]) * 60.0
    return -ahead if zone[0] == "-" else ahead


def _mjd(header: Header, keyword: str) -> float | None:
    value = header.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not PLAUSIBLE_MJD[0] < value < PLAUSIBLE_MJD[1]:
        return None
    # Rounded to the microsecond, so that 56486.0 stays a whole day.
    return _to_utc(round((value - EPOCH_MJD) * DAY_SECONDS, 6), header)


def _to_utc(seconds: float, header: Header) -> float:
    """Convert seconds of the time scale that `TIMESYS` names (by default UTC) to Unix seconds."""
    ahead = AHEAD_OF_TAI.get(str(header.get("TIMESYS", "UTC")).strip().upper())
    if ahead is None:
        return seconds
    when = datetime.fromtimestamp(seconds, UTC)
    if when.year < 1972:  # before leap seconds, when the scales were within 10 s of each other
        return seconds
    return seconds - ahead - float(erfa.dat(when.year, when.month, when.day, 0.0))
