"""`http.prefix`: taken off each request once, before it is routed; handlers see paths without it.

The other way, each handler puts it before what it sends: `Location` and cookies in
`access_control`, the addresses in pages in `handlers.pages.addresses`, those in answers where they
are made. `static/server/address.js` does it in the browser.
"""

from __future__ import annotations

from typing import Any

from tornado.httputil import HTTPMessageDelegate, HTTPServerRequest
from tornado.routing import Router
from tornado.web import Application

#: What programs on the machine ask, past the proxy: answered without the prefix too.
WITHOUT_PREFIX = frozenset({"/healthz", "/readyz", "/metrics"})


class PrefixRouter(Router):
    """Routes what begins with the prefix to one application, anything else to another one."""

    def __init__(self, prefix: str, inside: Application, outside: Application) -> None:
        self._prefix, self._inside, self._outside = prefix, inside, outside

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> HTTPMessageDelegate:
        """Return the handler of a request, which from here on is one without the prefix."""
        if request.path.startswith(f"{self._prefix}/"):
            request.path = request.path.removeprefix(self._prefix)
            request.uri = str(request.uri).removeprefix(self._prefix)
        elif request.path not in WITHOUT_PREFIX:
            return self._outside.find_handler(request, **options)
        return self._inside.find_handler(request, **options)


def behind_prefix(prefix: str, inside: Application, outside: Application) -> Application | Router:
    """Return what routes the requests: the first application alone where there is no prefix."""
    return PrefixRouter(prefix, inside, outside) if prefix else inside
