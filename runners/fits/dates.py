"""The date of an observation: from the FITS keywords for time to Unix seconds in UTC.

Follows section 9 of the FITS standard 4.0 where headers do, and the habits of observatories where
they do not: local times with or without a zone, date and time in two keywords, `dd/mm/yy`, Julian
dates, numbers written as text. Reading the files is left to `images` and `metadata`.
"""

from __future__ import annotations

import math
import re
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import erfa

from runners.fits.cards import number

Header = Mapping[str, object]

DAY_SECONDS = 86400.0
#: MJD of 1970-01-01T00:00 UTC.
EPOCH_MJD = 40587.0
#: JD minus MJD.
JD_MINUS_MJD = 2_400_000.5
#: Years 1886 to 2132: anything outside is a placeholder or not an MJD.
PLAUSIBLE_MJD = (10_000.0, 100_000.0)
#: Time zones differ by multiples of this: a smaller difference is rounding or a mid-exposure MJD.
LEAST_ZONE_SECONDS = 15 * 60.0
#: How far each time scale is ahead of TAI, in seconds (FITS standard 4.0, table 30).
AHEAD_OF_TAI = {"TAI": 0.0, "IAT": 0.0, "GPS": -19.0, "TT": 32.184, "TDT": 32.184,
                "ET": 32.184, "TDB": 32.184}  # fmt: skip
MONTHS = "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC"
#: Keywords of the date, with the time or without, in this order.
DATE_KEYWORDS = ("DATE-OBS", "DATE-BEG", "DATE_OBS", "DATEOBS", "OBS-DATE", "OBSDATE", "DATE-STA",
                 "DATE-UTC", "DATE_UTC", "DATEUTC", "UTC-DATE", "UTCDATE", "UT-DATE", "UT_DATE",
                 "UTDATE")  # fmt: skip
#: Keywords that give the time of day, UT, where `DATE-OBS` has the day only.
TIME_KEYWORDS = ("UT-OBS", "UTC-OBS", "TIME-OBS", "UTSTART", "UT-START", "UTC-STA", "UTCSTART",
                 "UTC", "UT", "TIME-BEG", "TIME-STA", "TIME_OBS", "UTOBS", "TIMEOBS", "UTTIME",
                 "UT-TIME", "UT_TIME", "UTC-TIME", "UTCTIME", "TIME-UTC", "TIME_UTC", "TIMEUTC",
                 "OBS-TIME", "OBSTIME", "EXPSTART")  # fmt: skip
#: Keywords of the beginning as a Julian date or a modified one, or as date and time.
START_KEYWORDS = ("MJD-OBS", "MJD-BEG", "MJD_OBS", "MJDOBS", "MJD-STR", "MJDSTART", "EXPSTART",
                  "UTSTART", "UT-START", "UTC-STA", "UTCSTART", "UTC-OBS", "JD", "JD_UTC",
                  "JD-UTC", "JD-OBS", "JD_OBS", "JD-BEG", "JDSTART", "JULDATE", "JULIAN",
                  "JUL-DATE", "JD-START", "MJD", "MJD_UTC", "MJD-UTC", "MJDUTC")  # fmt: skip
#: Keywords of the middle of the exposure; the last are for want of better, as light takes up to
#: eight minutes from the Earth to the Sun.
MIDDLE_KEYWORDS = ("DATE-AVG", "MJD-AVG", "DATE-MID", "MJD-MID", "JD-MID", "JD_MID", "EXPMID",
                   "HJD", "JD-HELIO", "BJD", "BJD_TDB")  # fmt: skip
END_KEYWORDS = ("DATE-END", "MJD-END", "EXPEND")
EXPOSURE_KEYWORDS = ("EXPTIME", "EXPOSURE", "EXP_TIME", "EXPOSUR", "ITIME", "ONTIME", "XPOSURE")

_TIME = r"(\d{1,2})[:hH ](\d{1,2})(?:[:mM ](\d{1,2}(?:\.\d*)?)[sS]?)?"
_TIME_ONLY = re.compile(rf"{_TIME}\s*(?:Z|UTC?|GMT)?", re.ASCII)
_ZONE = r"\s*(Z|(?:UTC?|GMT)?[+-]\d{1,2}(?::?\d{2})?|UTC?|GMT)?"
_ISO = re.compile(
    rf"(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}})(?:\s*[T _]\s*{_TIME}{_ZONE})?", re.ASCII
)
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T?(\d\d)(\d\d)(\d\d(?:\.\d*)?)?(Z)?)?", re.ASCII)
_OLD = re.compile(
    rf"(\d{{1,2}})[/.-](\d{{1,2}})[/.-](\d{{4}}|\d{{2}})(?:[T ]\s*{_TIME}{_ZONE})?", re.ASCII
)
_IN_BRACKETS = re.compile(r"\s*[(\[]\s*(Z|UTC?|GMT)\s*[)\]]", re.ASCII)
_MONTH = re.compile(r"[- ](JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)[A-Z]*[- ]", re.ASCII)
#: As C's `ctime` writes it: `Tue Mar  4 21:00:00 2025`.
_C_TIME = re.compile(r"[A-Z]{3},? +([A-Z]{3}) +(\d{1,2}) +(\d\d:\d\d:\d\d) +(\d{4})", re.ASCII)
#: `T210000` and `T21-00-00` behind a date with separators.
_UNSEPARATED = re.compile(r"(?<=-\d\dT)(\d\d)-?(\d\d)-?(\d\d)(?=\D|$)", re.ASCII)
#: With AM or PM the month comes first.
_AMERICAN = re.compile(
    r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2})((?::\d\d){1,2}(?:\.\d*)?) ?([AP])M", re.ASCII
)
_COMMA = re.compile(r"(?<=\d),(?=\d)")


@dataclass(frozen=True, slots=True)
class Moment:
    """The value of a date keyword in Unix seconds: `timed` with a time of day, `zoned` with a zone.

    Without a zone it is read as UTC.
    """

    seconds: float
    timed: bool
    zoned: bool


def observation_date(headers: Iterable[Header]) -> float:
    """Return the Unix time of the best date in a file's headers: the first that has a time of day.

    The headers are asked one by one, then all together, as the day may be in one of them and the
    time in another; then the first day counts. Raise ValueError, with a sentence that lacks only
    the file's name, if there is no date.
    """
    given = list(headers)
    day: Moment | None = None
    for header in _and_together(given):
        moment = moment_of(header)
        if moment is not None and moment.timed:
            return moment.seconds
        day = day or moment
    if day is not None:
        return day.seconds
    raise ValueError(_undated(given))


def moment_of(header: Header) -> Moment | None:
    """Return when a header's exposure began (or its middle), None if unknown.

    A `UT-OBS` with date and time takes precedence, then a `DATE-OBS` with a zone. Without a zone it
    is UTC by the standard, but local time in many files: `UT-OBS` and `MJD-OBS` decide.
    """
    moment = parse_date(header.get("UT-OBS"))
    if moment is not None and moment.timed:
        return moment
    dates = [date for key in DATE_KEYWORDS if (date := parse_date(header.get(key))) is not None]
    begun = next((date for date in dates if date.timed), next(iter(dates), None))
    if begun is None:
        return _without_date_obs(header)
    if begun.zoned:
        return begun
    if begun.seconds % DAY_SECONDS == 0:  # midnight stands for any time, in some headers
        return _day_only(begun, header)
    return _timed(_zoneless(begun, header)) if begun.timed else _day_only(begun, header)


def parse_date(value: object) -> Moment | None:
    """Parse a date keyword: ISO 8601 and what resembles it, or `dd/mm/yy` of 19yy."""
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > 60:
        return None
    text = _plainly(text.upper())
    if iso := _ISO.fullmatch(text):
        return _moment((iso[1], iso[3], iso[4]), iso.groups()[4:7], iso[8])
    if old := _OLD.fullmatch(text):
        return _moment(_day_first(old[1], old[2], old[3]), old.groups()[3:6], old[7])
    if compact := _COMPACT.fullmatch(text):
        return _moment(compact.groups()[:3], compact.groups()[3:6], compact[7])
    return None


def _plainly(text: str) -> str:
    """Return a date in one of the usual notations, as far as it was in one of the unusual."""
    text = _COMMA.sub(".", _IN_BRACKETS.sub(r"\1", text))
    text = _C_TIME.sub(r"\4-\1-\2 \3", text)
    text = _MONTH.sub(lambda name: f"-{MONTHS.index(name[1]) // 3 + 1:02}-", text)
    text = _UNSEPARATED.sub(r"\1:\2:\3", text)
    if us := _AMERICAN.fullmatch(text):
        hours = int(us[4]) % 12 + (12 if us[6] == "P" else 0)
        text = f"{us[3]}-{us[1]}-{us[2]} {hours}{us[5]}"
    return text


def _and_together(headers: list[Header]) -> Iterator[Header]:
    yield from headers
    if len(headers) > 1:
        yield ChainMap(*(dict(_times(header)) for header in headers))


def _times(header: Header) -> Iterator[tuple[str, object]]:
    for key in (*DATE_KEYWORDS, *TIME_KEYWORDS, *START_KEYWORDS, "TIMESYS"):
        value = header.get(key)
        if value is not None and value != "":
            yield key, value


def _undated(headers: list[Header]) -> str:
    for header in headers:
        unreadable = str(header.get("DATE-OBS") or "").strip()
        if unreadable:
            return f"has an observation date that cannot be read: DATE-OBS is '{unreadable:.80}'"
    return "has no observation date (DATE-OBS, UT-OBS, MJD-OBS, JD or DATE-AVG)"


def _moment(day: tuple[str, ...], clock: tuple[str | None, ...], zone: str | None) -> Moment | None:
    midnight, seconds = _midnight(*map(int, day)), _clock_seconds(*clock)
    if midnight is None or seconds is None:
        return None
    since = midnight + seconds - _zone_seconds(zone)
    return Moment(since, timed=clock[0] is not None, zoned=zone is not None)


def _day_first(day: str, month: str, year: str) -> tuple[str, str, str]:
    """Return year, month and day; two digits are of 19yy (FITS standard 4.0, section 4.4.2.1)."""
    if len(year) == 2:
        return f"19{year}", month, day
    return (year, day, month) if int(month) > 12 else (year, month, day)


def _timed(seconds: float) -> Moment:
    return Moment(seconds, timed=True, zoned=False)


def _without_date_obs(header: Header) -> Moment | None:
    exposure = next((s for key in EXPOSURE_KEYWORDS if (s := number(header.get(key)))), 0.0)
    exposure = exposure if 0 < exposure < DAY_SECONDS else 0.0
    for keys, elapsed in ((START_KEYWORDS, 0.0), (MIDDLE_KEYWORDS, 0.5), (END_KEYWORDS, 1.0)):
        for key in keys:
            if (moment := _instant(header, key)) is not None:
                return Moment(moment.seconds - elapsed * exposure, moment.timed, moment.zoned)
    return None


def _instant(header: Header, keyword: str) -> Moment | None:
    """Return the moment that a keyword gives as a (modified) Julian date, or as date and time."""
    date = parse_date(header.get(keyword))
    if date is not None and date.timed:
        return date if date.zoned else _timed(_to_utc(date.seconds, header))
    mjd = _mjd(header, keyword)
    return None if mjd is None else Moment(mjd, timed=mjd % DAY_SECONDS != 0, zoned=False)


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


def _day_only(begun: Moment, header: Header) -> Moment:
    for keyword in TIME_KEYWORDS:
        clock = _clock(header, keyword)
        if clock is not None:
            return _timed(begun.seconds + clock)
    instants = (_instant(header, keyword) for keyword in (*TIME_KEYWORDS, *START_KEYWORDS))
    return next((moment for moment in instants if moment is not None and moment.timed), begun)


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
    """Return the seconds since midnight: of `hh:mm:ss`, or of hours as a number."""
    value = header.get(keyword)
    if (hours := number(value)) is not None:
        if keyword == "UTC" and 24 <= hours < DAY_SECONDS:
            return hours  # seconds, as ESO has them
        return hours * 3600 if 0 <= hours < 24 else None
    text = value.strip().upper() if isinstance(value, str) and len(value) < 60 else ""
    match = _TIME_ONLY.fullmatch(_COMMA.sub(".", _IN_BRACKETS.sub(r"\1", text)))
    return None if match is None else _clock_seconds(match[1], match[2], match[3])


def _zone_seconds(zone: str | None) -> float:
    """Return how far local time is ahead of UTC."""
    ahead = re.search(r"([+-])(\d{1,2}):?(\d\d)?", zone or "")
    if ahead is None:
        return 0.0
    seconds = int(ahead[2]) * 3600.0 + int(ahead[3] or 0) * 60.0
    return -seconds if ahead[1] == "-" else seconds


def _mjd(header: Header, keyword: str) -> float | None:
    """Return the Unix time of a modified Julian date or a Julian date, None if it is neither."""
    value = number(header.get(keyword))
    if value is None or not math.isfinite(value):
        return None
    days = value - JD_MINUS_MJD if value > JD_MINUS_MJD else value
    if not PLAUSIBLE_MJD[0] < days < PLAUSIBLE_MJD[1]:
        return None
    # Rounded to the microsecond, so that 56486.0 stays a whole day.
    return _to_utc(round((days - EPOCH_MJD) * DAY_SECONDS, 6), header)


def _to_utc(seconds: float, header: Header) -> float:
    """Convert seconds of the time scale that `TIMESYS` names (by default UTC) to Unix seconds."""
    ahead = AHEAD_OF_TAI.get(str(header.get("TIMESYS", "UTC")).strip().upper())
    if ahead is None:
        return seconds
    when = datetime.fromtimestamp(seconds, UTC)
    if when.year < 1972:  # before leap seconds, when the scales were within 10 s of each other
        return seconds
    return seconds - ahead - float(erfa.dat(when.year, when.month, when.day, 0.0))
