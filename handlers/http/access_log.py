"""What is done at the end of each request: it is counted, and logged in one line.

`finished` makes the `log_function` of the application.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from tornado.web import RequestHandler

from handlers.access.redaction import logged_path
from handlers.http.routing import route_of
from server.core.metrics import Metrics

log = logging.getLogger(__name__)


def finished(metrics: Metrics, *, lines: bool) -> Callable[[RequestHandler], None]:
    """Return what counts a finished request and, if `lines`, logs it."""

    def note(handler: RequestHandler) -> None:
        count_request(handler, metrics)
        if lines:
            log_request(handler)

    return note


def count_request(handler: RequestHandler, metrics: Metrics) -> None:
    """Count a finished request."""
    request = handler.request
    metrics.request(
        route_of(request),
        request.method or "",
        handler.get_status(),
        request.request_time(),
        getattr(handler, "sent_bytes", 0),
    )


def log_request(handler: RequestHandler) -> None:
    """Log a finished request: polls at debug, server errors as warnings, the rest as info."""
    status = handler.get_status()
    level = logging.WARNING if status >= 500 else logging.INFO
    if status < 400 and getattr(handler, "quiet", False):
        level = logging.DEBUG
    if log.isEnabledFor(level):
        request = handler.request
        path = logged_path(request.path)
        milliseconds = 1000 * request.request_time()
        log.log(
            level,
            "%s %s %d %.1f ms",
            request.method,
            path,
            status,
            milliseconds,
            extra={
                "action": "request",
                "remote": request.remote_ip,
                **_caller(handler),
                "details": {
                    "method": request.method,
                    "path": path,
                    "route": route_of(request),
                    "status": status,
                    "milliseconds": round(milliseconds, 1),
                    "sent_bytes": getattr(handler, "sent_bytes", 0),
                },
            },
        )


def _caller(handler: RequestHandler) -> dict[str, str]:
    """Return the name of the caller's token, nothing for a caller without a name."""
    caller = getattr(handler, "caller", None)
    return {"token": caller.name} if caller is not None and caller.name is not None else {}
