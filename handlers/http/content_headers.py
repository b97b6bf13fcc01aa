"""Headers of files: ranges of bytes (RFC 9110, section 14), names, and what may run."""

from __future__ import annotations

import re
from urllib.parse import quote

from handlers.http.access_control import GuardedHandler

#: Nothing of a user's file may run in our origin.
SANDBOX_POLICY = "default-src 'none'; sandbox"
SINGLE_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII)


class Unsatisfiable(Exception):
    """The range begins after the end of the file."""


def range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """Return the range as (start, stop), or None for the whole file. Raise Unsatisfiable.

    Anything but a single range of bytes is ignored, as the RFC allows.
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
    """Return a `Content-Disposition` (RFC 6266) whose name old clients understand too."""
    plain = re.sub(r"[^ !#-\[\]-~]|%", "_", name)
    header = f'{kind}; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"


def download_headers(handler: GuardedHandler, content_type: str, name: str) -> None:
    """Set the headers of a file that is made for the request and is to be saved by this name."""
    handler.set_header("Content-Type", content_type)
    handler.set_header("Content-Disposition", disposition("attachment", name))
    handler.set_header("Cache-Control", "no-cache")


def sandbox_headers(handler: GuardedHandler) -> None:
    """Set the headers of users' files: nothing in them runs."""
    handler.set_header("Content-Security-Policy", SANDBOX_POLICY)
    handler.set_header("Cross-Origin-Resource-Policy", "same-origin")
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("Vary", handler.vary)
