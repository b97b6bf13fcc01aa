"""What single values of an old site mean: times, texts, flags, extra fields, measurements.

Nothing here raises for a value that makes no sense: then there is none.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from server.archive.target_fields import FULL_CIRCLE_DEGREES, NAME_LENGTH, POLE_DEGREES
from server.core.characters import is_forbidden

#: Unix time 0 as a Modified Julian Date, and the seconds of a day.
_EPOCH_MJD, _DAY_SECONDS = 40587.0, 86400.0
#: A text that is longer is no measurement.
VALUE_CHARACTERS = 100_000
_MAGNITUDES, _ERRORS = ("magnitude", "mag"), ("error", "magnitude_error", "mag_error")
_LIMITS = ("limit", "limiting_magnitude")
_FILTERS = ("filter", "band")


class Point(NamedTuple):
    """A measurement of a magnitude; for a `limit`, the target was fainter than that."""

    magnitude: float
    error: float | None = None
    filter: str | None = None
    limit: bool = False


def whole(value: Any) -> int | None:
    """Return a whole number, such as a PK."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def text(value: Any) -> str:
    """Return a text, empty for none."""
    if isinstance(value, bytes | bytearray | memoryview):
        value = bytes(value).decode("utf-8", "replace")
    if isinstance(value, Mapping | list):  # JSON, which some drivers read
        value = json.dumps(value, ensure_ascii=False)
    found = "" if value is None else str(value)
    return found.encode("utf-8", "replace").decode("utf-8")  # without lone surrogates


def moment(value: Any) -> float | None:
    """Return a time in Unix seconds; one without a time zone is in UTC, as Django stores it."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    aware = value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    try:
        return aware.timestamp()
    except (OverflowError, ValueError):
        return None


def julian(seconds: float) -> float:
    """Return Unix seconds as a Modified Julian Date, UTC."""
    return seconds / _DAY_SECONDS + _EPOCH_MJD


def real(value: Any) -> float | None:
    """Return a finite number, also of one that is written as a text."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def name_of(value: Any, otherwise: str) -> str:
    """Return a name as it can be here."""
    kept = "".join("_" if is_forbidden(each) else each for each in text(value))
    return kept[:NAME_LENGTH].strip() or otherwise


def right_ascension(value: Any) -> float | None:
    """Return degrees from 0 to below 360."""
    found = real(value)
    return None if found is None else found % FULL_CIRCLE_DEGREES


def declination(value: Any) -> float | None:
    """Return degrees from -90 to 90."""
    found = real(value)
    return found if found is not None and abs(found) <= POLE_DEGREES else None


def extra_value(row: Mapping[str, Any]) -> Any:
    """Return the value of an extra field as it was given: a text, a number or a truth value.

    Each is stored as a text, and as a number if Python can make one of it: of `True`, but not of
    "True". What looks like a number only in part, such as 007, stays a text.
    """
    written, number = text(row.get("value")), real(row.get("float_value"))
    if number is None:
        return written
    if written in ("True", "False"):
        return written == "True"
    if written == repr(number):
        return number
    if number.is_integer() and written == str(int(number)):
        return int(number)
    return written


def flags_of(value: Any) -> dict[str, bool] | None:
    """Return the flags of a process, None for what is no JSON object."""
    if isinstance(value, Mapping):
        found: Any = value
    elif not (written := text(value)).strip():
        return {}
    else:
        try:
            found = json.loads(written)
        except (ValueError, RecursionError):
            return None
    if found is None:
        return {}
    if not isinstance(found, Mapping):
        return None
    # Databases give dots, dollars and zero characters in keys a meaning.
    return {re.sub(r"[.$\0]", "_", text(name)): bool(each) for name, each in found.items()}


def point_of(value: Any) -> Point | None:
    """Return the measurement that is stored with a datum, None for what is none."""
    found = value
    if not isinstance(value, Mapping):
        written = text(value)
        if len(written) > VALUE_CHARACTERS:
            return None
        try:
            found = json.loads(written)
        except (ValueError, RecursionError):
            return None
    if not isinstance(found, Mapping):
        return None
    name = _first(found, _FILTERS)
    filter_name = text(name)[:NAME_LENGTH] or None if isinstance(name, str) else None
    magnitude = real(_first(found, _MAGNITUDES))
    error = real(_first(found, _ERRORS))
    if magnitude is not None:
        return Point(magnitude, error, filter_name, found.get("limit") is True)
    limit = real(_first(found, _LIMITS))
    return None if limit is None else Point(limit, None, filter_name, True)


def excerpt(value: Any, characters: int = 60) -> str:
    """Return how a text begins, on one line."""
    written = text(value)
    begins = " ".join(written[: 4 * characters].split())
    plain = "".join("\ufffd" if is_forbidden(each) else each for each in begins)
    return (
        plain
        if len(plain) <= characters and len(written) <= 4 * characters
        else (f"{plain[: characters - 1]}…")
    )


def _first(found: Mapping[str, Any], names: Iterable[str]) -> Any:
    return next((found[name] for name in names if found.get(name) is not None), None)
