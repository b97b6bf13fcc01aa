"""Which bytes a `Range` header asks for (RFC 9110, section 14), and how a file is named."""

from __future__ import annotations

import re
from urllib.parse import quote

from handlers.http.base import BaseHandler

SINGLE_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII)


class Unsatisfiable(Exception):
    """The range begins behind the end."""


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last, or None for the whole file.

    What is no single range of bytes is ignored, as the RFC allows. Raises Unsatisfiable.
    """
    match = SINGLE_RANGE.fullmatch(header or "")
    if match is None or match.group(1) == match.group(2) == "":
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), size if last == "" else min(size, int(last) + 1)
        if last != "" and int(last) < start:
            return None
    if start >= size:
        raise Unsatisfiable
    return start, stop


def disposition(kind: str, name: str) -> str:
    """A `Content-Disposition` (RFC 6266) with the name for every age of client."""
    plain = re.sub(r"[^ !#-\[\]-~]|%", "_", name)
    header = f'{kind}; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


POLICY = "default-src 'none'; sandbox"


def sandbox_headers(handler: BaseHandler) -> None:
    """Headers of what users made: it stays what it says it is, and runs nothing."""
    handler.set_header("Content-Security-Policy", POLICY)
    handler.set_header("X-Content-Type-Options", "nosniff")
    handler.set_header("Cross-Origin-Resource-Policy", "same-origin")
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("Vary", handler.vary)
