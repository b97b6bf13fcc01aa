"""PKs in paths, and typed query parameters. Bodies are left to `json_input`."""

from __future__ import annotations

import re
from typing import Any

from tornado.web import RequestHandler

from server.core.errors import InvalidInput, NotFound
from server.core.records import LARGEST_INTEGER, LARGEST_PK, State

#: A PK in the pattern of a route. Any other text there is 404, and so is what `parse_pk` refuses.
PK = "([1-9][0-9]{0,9})"

STATES = frozenset(state.value for state in State)
#: How much of a text to search for is heeded.
MAX_TEXT = 200
#: Values between commas: for each there may be a query of the database.
MOST_CHOICES = 100
#: An instant in Unix seconds.
INSTANT = re.compile(r"[0-9]{1,11}(\.[0-9]{1,17})?", re.ASCII)


def parse_pk(text: str) -> int:
    """Return the PK in a path. Raise NotFound when it is out of range."""
    pk = int(text)
    if not 0 < pk <= LARGEST_PK:
        raise NotFound("document", pk)
    return pk


def text(handler: RequestHandler, name: str) -> str | None:
    """Return a parameter as it was given, None when it is missing or empty."""
    given = handler.request.query_arguments.get(name)
    if not given:
        return None
    try:
        return given[-1].decode() or None
    except UnicodeDecodeError as error:
        raise InvalidInput.of(name, "This is not valid UTF-8.") from error


def integer(
    handler: RequestHandler, name: str, least: int, most: int = LARGEST_INTEGER
) -> int | None:
    """Return a whole number within limits, None when it is missing. Raise InvalidInput."""
    if name not in handler.request.query_arguments:
        return None
    given = text(handler, name) or ""
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        raise InvalidInput.of(name, _expected(least, most))
    number = int(given)
    if not least <= number <= most:
        raise InvalidInput.of(name, _expected(least, most))
    return number


def seconds(handler: RequestHandler, name: str) -> float | None:
    """Return an instant in Unix seconds, None when it is missing. Raise InvalidInput."""
    if name not in handler.request.query_arguments:
        return None
    given = text(handler, name) or ""
    if not INSTANT.fullmatch(given):
        raise InvalidInput.of(name, "Unix seconds are expected, as in 1772402390.75.")
    return float(given)


def choices(handler: RequestHandler, name: str, known: frozenset[str] | None = None) -> list[str]:
    """Return the values between commas, none when it is missing.

    Raise InvalidInput for an unknown one, and for more than `MOST_CHOICES`.
    """
    given = text(handler, name) or ""
    values = [value for value in given.split(",") if value]
    if len(values) > MOST_CHOICES:
        raise InvalidInput.of(name, f"At most {MOST_CHOICES} values are expected.")
    for value in values:
        if known is not None and value not in known:
            raise InvalidInput.of(name, f"{value!r} is not one of {', '.join(sorted(known))}.")
    return values


def boolean(handler: RequestHandler, name: str) -> bool:
    """Return whether a parameter is `true`; False when it is `false` or missing."""
    return choices(handler, name, frozenset({"true", "false"})) == ["true"]


def processes_wanted(handler: RequestHandler) -> dict[str, Any]:
    """Return which processes are asked for, as arguments of `Processes.find`."""
    return {
        "target": integer(handler, "target", 1, LARGEST_PK),
        "pipelines": choices(handler, "pipeline") or None,
        "states": [State(value) for value in choices(handler, "state", STATES)] or None,
        "since": seconds(handler, "since"),
        "until": seconds(handler, "until"),
        "text": (text(handler, "q") or "")[:MAX_TEXT],
    }


def page(handler: RequestHandler) -> dict[str, Any]:
    """Return the `before` and `limit` of a list, as keyword arguments."""
    limit = integer(handler, "limit", 1, 1_000)
    return {"before": integer(handler, "before", 1), "limit": 100 if limit is None else limit}


def _expected(least: int, most: int) -> str:
    if most == LARGEST_INTEGER:
        return f"A whole number of at least {least} is expected."
    return f"A whole number from {least} to {most} is expected."
