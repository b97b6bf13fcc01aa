"""The error answers that an operation can have, as its handler and its method tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from handlers.description.operation import JSON, Operation
from handlers.description.paths import parts_of
from handlers.description.schemas import REFERENCE
from handlers.http.access_control import SAFE_METHODS, GuardedHandler, needed_role
from handlers.http.base import BaseHandler
from handlers.http.body import BodyHandler
from handlers.pages.base import Page
from server.access.roles import Role

#: When each status comes, unless an operation says it in its own words.
WHEN: Mapping[int, str] = {
    400: "The input is not valid.",
    401: "A token is needed, or the one that came is not valid.",
    403: "The caller has another role than the one needed, or the page has a foreign origin.",
    404: "There is no such PK, or no such path.",
    405: "The method is not supported; `Allow` lists those that are.",
    409: "The present state forbids it.",
    411: "The body has no length.",
    413: "The body is too large.",
    415: "The body has another type.",
    416: "The range begins after the end of the file.",
    421: "The `Host` is not a name of this server.",
    426: "The version of the websocket protocol is not 13.",
    429: "Too many wrong secrets came from this address. Try again after `Retry-After`.",
    500: "The server has a defect; its log has the traceback.",
    503: "The database or storage is away, or the server starts. Try again after `Retry-After`.",
    507: "The disk is full.",
}
#: The headers that come with each status.
HEADERS = {
    401: ("WWW-Authenticate",),
    405: ("Allow",),
    429: ("Retry-After",),
    503: ("Retry-After",),
    416: ("Content-Range",),
    426: ("Sec-WebSocket-Version",),
}
#: What a path that is not there answers too: outside of the API, as a page.
ON_UNKNOWN_PATHS = frozenset({401, 404, 429})


def errors_of(
    handler: type[GuardedHandler], method: str, path: str, operation: Operation
) -> dict[int, str]:
    """Return when which error status comes, in the order of the statuses."""
    found = {status: WHEN[status] for status in _statuses(handler, method, path, operation)}
    return dict(sorted((found | dict(operation.errors)).items()))


def _statuses(
    handler: type[GuardedHandler], method: str, path: str, operation: Operation
) -> Iterator[int]:
    yield 421
    if operation.parameters or operation.body:
        yield 400
    if parts_of(path):
        yield 404
    if not handler.open_to_all:
        yield from (401, 429)
    if method not in SAFE_METHODS or needed_role(handler, method) is not Role.VIEWER:
        yield 403
    if method not in SAFE_METHODS and issubclass(handler, BodyHandler):
        yield from _of_bodies(operation)
    if issubclass(handler, BaseHandler):
        yield 503
    if method in ("POST", "PATCH") and path.startswith("/api/"):
        yield 507


def _of_bodies(operation: Operation) -> Iterator[int]:
    yield from (400, 413, 415)
    if operation.body is not None and operation.body.required and operation.body.media_type:
        yield 411


def error_content(status: int, handler: type[GuardedHandler], path: str) -> dict[str, Any]:
    """Return the content of an error's answer: pages answer with a page.

    So does what is asked for where there is no path, outside of the API.
    """
    page = {"text/html": {"schema": {"type": "string"}}}
    if issubclass(handler, Page):
        return page
    name = "Invalid" if status == 400 else "Detail"
    content = {JSON: {"schema": {"$ref": REFERENCE.format(name=name)}}}
    elsewhere = not path.startswith(("/api/", "/ws/"))
    return content | page if elsewhere and status in ON_UNKNOWN_PATHS else content
