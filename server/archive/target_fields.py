"""What the fields of a target may hold, and the identifier that is derived from its name."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from typing import Any

import msgspec

from server.core.characters import FORBIDDEN, is_forbidden
from server.core.errors import InvalidInput

NAME_LENGTH = 200
#: Right ascension stays below the one, declination within the other on either side; ICRS.
FULL_CIRCLE_DEGREES = 360
POLE_DEGREES = 90
EXTRA_FIELDS_BYTES = 64 * 1024
_IDENTIFIER_LENGTH = 50
IDENTIFIER_PATTERN = rf"[a-z0-9][a-z0-9_-]{{0,{_IDENTIFIER_LENGTH - 1}}}"
_IDENTIFIER = re.compile(IDENTIFIER_PATTERN)


def checked(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields as a target has them. :raises InvalidInput: names each that is wrong."""
    good: dict[str, Any] = {}
    bad: dict[str, list[str]] = {}
    for field, value in fields.items():
        try:
            good[field] = _CHECKS[field](value)
        except KeyError:
            bad[field] = ["There is no such field"]
        except ValueError as error:
            bad[field] = [str(error)]
    if bad:
        raise InvalidInput(bad)
    return good


def checked_name(name: Any) -> str:
    """Return a name if it is valid. :raises ValueError: it is not."""
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_LENGTH:
        raise ValueError(f"1 to {NAME_LENGTH} characters are needed")
    if any(map(is_forbidden, name)):
        raise ValueError(f"A name cannot have {FORBIDDEN}")
    return name


def identifier_of(name: str, pk: int, number: int = 1) -> str:
    """Return the identifier of the `number`-th target of this name, where `pk` is the target's."""
    plain = unicodedata.normalize("NFKD", name).lower()
    plain = "".join(character for character in plain if not unicodedata.combining(character))
    slug = re.sub(r"[^a-z0-9_-]+", "-", plain).strip("-_")[:_IDENTIFIER_LENGTH].rstrip("-_")
    base = slug or f"target-{pk}"
    if number == 1:
        return base
    suffix = f"-{number}"
    return base[: _IDENTIFIER_LENGTH - len(suffix)].rstrip("-_") + suffix


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ValueError(
            f"1 to {_IDENTIFIER_LENGTH} characters of a-z, 0-9, _ and - are needed, "
            "the first being a letter or digit"
        )
    return value


def _ra(value: Any) -> float | None:
    wanted = f"A number of degrees from 0 to below {FULL_CIRCLE_DEGREES}"
    return _degrees(value, wanted, lambda ra: 0 <= ra < FULL_CIRCLE_DEGREES)


def _dec(value: Any) -> float | None:
    wanted = f"A number of degrees from -{POLE_DEGREES} to {POLE_DEGREES}"
    return _degrees(value, wanted, lambda dec: abs(dec) <= POLE_DEGREES)


def _degrees(value: Any, wanted: str, fits: Callable[[float], bool]) -> float | None:
    if value is None:
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or not fits(value):
        raise ValueError(f"{wanted}, or null, is needed")
    return float(value)


def _extra_fields(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("A JSON object is needed")
    try:
        size = len(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError("This cannot be stored as JSON") from error
    if size > EXTRA_FIELDS_BYTES:
        raise ValueError(f"At most {EXTRA_FIELDS_BYTES} bytes of JSON are allowed")
    return value


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": checked_name,
    "identifier": _identifier,
    "ra": _ra,
    "dec": _dec,
    "extra_fields": _extra_fields,
}
