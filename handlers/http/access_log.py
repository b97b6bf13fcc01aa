"""One line in the log per request: `log_function` of the application."""

from __future__ import annotations

import logging

from tornado.web import RequestHandler

log = logging.getLogger(__name__)


def log_request(handler: RequestHandler) -> None:
    """Log a finished request: polls at debug, what failed here as a warning, the rest as info."""
    status = handler.get_status()
    level = logging.WARNING if status >= 500 else logging.INFO
    if status < 400 and getattr(handler, "quiet", False):
        level = logging.DEBUG
    if log.isEnabledFor(level):
        request = handler.request
        milliseconds = 1000 * request.request_time()
        log.log(
            level,
            "%s %s %d %.1f ms",
            request.method,
            request.path,
            status,
            milliseconds,
            extra={"action": "request", "remote": request.remote_ip},
        )
