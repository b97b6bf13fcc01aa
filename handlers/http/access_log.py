"""The access log: one line for each request. `log_function` of the application."""

from __future__ import annotations

import logging

from tornado.web import RequestHandler

from handlers.access.redaction import logged_path

log = logging.getLogger(__name__)


def log_request(handler: RequestHandler) -> None:
    """Log a finished request: polls at debug, server errors as warnings, the rest as info."""
    status = handler.get_status()
    level = logging.WARNING if status >= 500 else logging.INFO
    if status < 400 and getattr(handler, "quiet", False):
        level = logging.DEBUG
    if log.isEnabledFor(level):
        request = handler.request
        log.log(
            level,
            "%s %s %d %.1f ms",
            request.method,
            logged_path(request.path),
            status,
            1000 * request.request_time(),
            extra={"action": "request", "remote": request.remote_ip, **_caller(handler)},
        )


def _caller(handler: RequestHandler) -> dict[str, str]:
    """Return the name of the caller's token, nothing for a caller without a name."""
    caller = getattr(handler, "caller", None)
    return {"token": caller.name} if caller is not None and caller.name is not None else {}
