"""What URLs say: PKs in paths, typed query parameters. Bodies are left to `inputs`."""

from __future__ import annotations

from typing import Any

from tornado.web import RequestHandler

from server.core.errors import InvalidInput, NotFound

#: A PK in a route; with `parse_pk`, whatever is no PK leads to 404.
PK = "([1-9][0-9]{0,9})"
LARGEST_PK = 2**31 - 1
LARGEST = 2**63 - 1


def parse_pk(text: str) -> int:
    """The PK that a path names. Raises NotFound when there cannot be such a one."""
    pk = int(text)
    if not 0 < pk <= LARGEST_PK:
        raise NotFound("document", pk)
    return pk


def text(handler: RequestHandler, name: str) -> str | None:
    """A parameter as it was given, None when it was not or is empty."""
    given = handler.request.query_arguments.get(name)
    if not given:
        return None
    try:
        return given[-1].decode() or None
    except UnicodeDecodeError as error:
        raise InvalidInput.of(name, "This is no UTF-8.") from error


def integer(handler: RequestHandler, name: str, least: int, most: int = LARGEST) -> int | None:
    """A whole number within limits, None when it was not given."""
    if name not in handler.request.query_arguments:
        return None
    given = text(handler, name) or ""
    if not (given.isascii() and given.isdigit() and len(given) < 20):
        raise InvalidInput.of(name, _expected(least, most))
    number = int(given)
    if not least <= number <= most:
        raise InvalidInput.of(name, _expected(least, most))
    return number


def choices(handler: RequestHandler, name: str, known: frozenset[str] | None = None) -> list[str]:
    """Values with commas between them, each of the known ones; empty when none was given."""
    given = text(handler, name) or ""
    found = [word for word in given.split(",") if word]
    for word in found:
        if known is not None and word not in known:
            raise InvalidInput.of(name, f"{word!r} is none of {', '.join(sorted(known))}.")
    return found


def boolean(handler: RequestHandler, name: str) -> bool:
    """A parameter that is true or false, false when it was not given."""
    found = choices(handler, name, frozenset({"true", "false"}))
    return found == ["true"]


def page(handler: RequestHandler) -> dict[str, Any]:
    """The `before` and `limit` of a list."""
    limit = integer(handler, "limit", 1, 1_000)
    return {"before": integer(handler, "before", 1), "limit": 100 if limit is None else limit}


def _expected(least: int, most: int) -> str:
    if most == LARGEST:
        return f"A whole number of at least {least} is expected."
    return f"A whole number from {least} to {most} is expected."
