"""One route. Which routes there are is left to `routes(services)` at the end of each module."""

from __future__ import annotations

from typing import Any

from tornado.routing import URLSpec
from tornado.web import RequestHandler

from handlers.services import StartingServices


def route(
    pattern: str, handler: type[RequestHandler], services: StartingServices, **arguments: Any
) -> URLSpec:
    """Return the route from a pattern to a handler, whose `initialize` gets the services."""
    return URLSpec(pattern, handler, {"services": services, **arguments})
