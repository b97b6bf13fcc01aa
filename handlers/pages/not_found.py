"""Paths without another route: 404, or 301 where only the slash at the end is missing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable
from typing import ClassVar

from tornado.routing import URLSpec

from handlers.http.access_control import METHODS
from handlers.http.body import BodyHandler
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services
from server.access.roles import Role
from server.core.errors import NotFound


class UnknownHandler(BodyHandler):
    """Unknown paths of the API and of the websockets; every method is answered in the same way."""

    media_type = ""
    #: Whoever may read is told that there is nothing here, whatever they wanted to do.
    roles: ClassVar = dict.fromkeys(METHODS, Role.VIEWER)

    def initialize(self, services: Services, slashed: re.Pattern[str] | None = None) -> None:
        """Take the paths that exist and end in a slash."""
        super().initialize(services)
        self._slashed = slashed

    def check_headers(self) -> None:
        """Raise NotFound unless this is a GET of a path without its slash. Any body is dropped."""
        path = f"{self.request.path}/"
        if self.request.method not in ("GET", "HEAD") or not self._exists(path):
            raise NotFound("page", self.request.path)

    def _exists(self, path: str) -> bool:
        return self._slashed is not None and self._slashed.fullmatch(path) is not None

    def get(self, *_arguments: str) -> None:
        """Redirect to the same path with its slash."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"{self.request.path}/{query}", permanent=True)

    def post(self, *_arguments: str) -> Awaitable[None] | None:
        """Raise NotFound, as `check_headers` has done before; defined so that no method is 405."""
        raise NotFound("page", self.request.path)

    put = patch = delete = post


class UnknownPage(UnknownHandler, Page):
    """Unknown paths everywhere else."""


class ToPrefix(UnknownPage):
    """`/` where all of the server is behind a prefix, and the prefix without its slash."""

    open_to_all = True

    def check_headers(self) -> None:
        """Raise NotFound unless this is a GET."""
        if self.request.method not in ("GET", "HEAD"):
            raise NotFound("page", self.request.path)

    def get(self, *_arguments: str) -> None:
        """Redirect to the first page; for good where only the slash is missing."""
        query = f"?{self.request.query}" if self.request.query else ""
        self.redirect(f"/{query}", permanent=self.request.path != "/")


def outside_prefix(services: Services) -> list[URLSpec]:
    """Return the routes of what does not begin with `http.prefix`."""
    prefix = re.escape(services.config.http.prefix)
    return [route(rf"(?:/|{prefix})", ToPrefix, services), *_unknown(services, None)]


def routes(services: Services, known: Iterable[URLSpec]) -> list[URLSpec]:
    """Return the routes of all paths that none of the known routes answers."""
    patterns = (each.regex.pattern.removesuffix("$") for each in known)
    ending = [pattern for pattern in patterns if pattern.endswith("/") and pattern != "/"]
    slashed = re.compile("|".join(each for each in ending if not each.startswith("/ws/")))
    return _unknown(services, slashed)


def _unknown(services: Services, slashed: re.Pattern[str] | None) -> list[URLSpec]:
    return [
        route(r"/(?:api|ws)(?:/.*)?", UnknownHandler, services, slashed=slashed),
        route(r".*", UnknownPage, services, slashed=slashed),
    ]
