"""One route. Which routes there are is left to `routes(services)` at the end of each module."""

from __future__ import annotations

import re
from typing import Any

from tornado.httputil import HTTPServerRequest
from tornado.routing import PathMatches, URLSpec
from tornado.web import RequestHandler

from handlers.http.query import PK
from handlers.services import StartingServices

_ALTERNATIVES = re.compile(r"\(\?:(\w+)(?:\|\w+)+\)")
_INNERMOST_GROUP = re.compile(r"\((?:\?:)?[^()]*\)[?*+]?")
#: The attribute of a request that has the name of its route.
_NAME = "route_name"


class _NamedPath(PathMatches):
    """A path that notes in each request which route it has taken."""

    def __init__(self, path_pattern: re.Pattern[str], name: str | None) -> None:
        super().__init__(path_pattern)
        self._name = name

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return the arguments in the path, None if it is another one."""
        found = super().match(request)
        if found is not None:
            setattr(request, _NAME, self._name)
        return found


def route(
    pattern: str, handler: type[RequestHandler], services: StartingServices, **arguments: Any
) -> URLSpec:
    """Return the route from a pattern to a handler, whose `initialize` gets the services."""
    made = URLSpec(pattern, handler, {"services": services, **arguments})
    made.matcher = _NamedPath(made.regex, route_name(pattern))
    return made


def route_name(pattern: str) -> str | None:
    """Return the path of a route with names in place of what varies: `/api/targets/<pk>/`.

    None for what is no path of its own, but any that is not known.
    """
    if ".*" in pattern.replace("(.*)", ""):
        return None
    name = _ALTERNATIVES.sub(r"\1", pattern.replace(PK, "<pk>").replace("\\.", "."))
    while (shorter := _INNERMOST_GROUP.sub("<name>", name)) != name:
        name = shorter
    return name


def route_of(request: HTTPServerRequest) -> str | None:
    """Return the name of the route that a request has taken, None if there was none for it."""
    return getattr(request, _NAME, None)
