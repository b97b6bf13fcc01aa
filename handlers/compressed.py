"""Bodies made smaller for clients that ask for it (RFC 9110, section 12.5.3)."""

from __future__ import annotations

import gzip
import re

from tornado.web import RequestHandler

#: Below this a body fits into a packet or two anyway.
LEAST_BYTES = 1024
#: Higher levels cost several times as much and save a few percent.
LEVEL = 5

_REFUSED = re.compile(r"gzip\s*;\s*q=0(\.0+)?\s*(,|$)")


def accepts_gzip(handler: RequestHandler) -> bool:
    """Whether the client takes gzip."""
    accepted = handler.request.headers.get("Accept-Encoding", "").lower()
    return "gzip" in accepted and _REFUSED.search(accepted) is None


def compressed(handler: RequestHandler, body: bytes) -> bytes:
    """The body as it is to be sent, with the header to match."""
    if len(body) < LEAST_BYTES or not accepts_gzip(handler):
        return body
    handler.set_header("Content-Encoding", "gzip")
    return gzipped(body)


def gzipped(body: bytes) -> bytes:
    """The body compressed, the same bytes each time."""
    return gzip.compress(body, LEVEL, mtime=0)
