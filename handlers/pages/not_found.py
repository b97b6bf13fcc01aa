"""Whatever no other route answers: 404, or 301 where only the slash at the end is missing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable

from tornado.routing import URLSpec

from handlers.http.base import PageHandler
from handlers.http.body import BodyHandler
from handlers.services import Services
from server.core.errors import NotFound


class UnknownHandler(BodyHandler):
    """Unknown paths of the API and of the websockets. Every method is as unknown as the next."""

    media_type = ""

    def initialize(self, services: Services, slashed: re.Pattern[str] | None = None) -> None:
        """Take the paths that exist, each with a slash at its end."""
        super().initialize(services)
        self._slashed = slashed

    def check_headers(self) -> None:
        """Any body may come here, it is dropped; say where the path leads instead."""
        path = f"{self.request.path}/"
        if self.request.method not in ("GET", "HEAD") or not self._leads_on(path):
            raise NotFound("page", self.request.path)

    def _leads_on(self, path: str) -> bool:
        return self._slashed is not None and self._slashed.fullmatch(path) is not None

    def get(self, *_arguments: str) -> None:
        """Lead on to the same path with its slash."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.request.path}/{query}", permanent=True)

    def post(self, *_arguments: str) -> Awaitable[None] | None:
        """Never reached: `check_headers` has refused. Here so that no method is 405."""
        raise NotFound("page", self.request.path)

    put = patch = delete = post


class UnknownPage(UnknownHandler, PageHandler):
    """Unknown paths everywhere else."""


def routes(services: Services, known: Iterable[URLSpec]) -> list[URLSpec]:
    """What remains when these routes are known."""
    patterns = (route.regex.pattern.removesuffix("$") for route in known)
    kept = [pattern for pattern in patterns if pattern.endswith("/") and pattern != "/"]
    web = [pattern for pattern in kept if not pattern.startswith("/ws/")]
    kwargs = {"services": services, "slashed": re.compile("|".join(web)) if web else None}
    return [
        URLSpec(r"/(?:api|ws)(?:/.*)?", UnknownHandler, kwargs),
        URLSpec(r".*", UnknownPage, kwargs),
    ]
