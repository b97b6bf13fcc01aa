"""The door that every request comes through: host, origin, token, and CORS for allowed origins."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from tornado.web import HTTPError, RequestHandler

from handlers.access_rules import COOKIE

if TYPE_CHECKING:
    from handlers.services import Services
    from server.archive.archive import Archive
    from server.processes.service import Processes

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE = frozenset({"GET", "HEAD"})
SHARED_REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Range"
SHARED_ANSWER_HEADERS = "Content-Range, ETag, Location, Retry-After"


class GuardedHandler(RequestHandler):
    """A handler that lets in whom `AccessRules` lets in. What it answers is left to its heirs."""

    open_to_all = False  #: whether it answers without a token
    checks_origin_always = False  #: whether even a GET needs a known origin

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        self.services = services

    @property
    def archive(self) -> Archive:
        """Targets, data products and groups."""
        return self.services.archive

    @property
    def processes(self) -> Processes:
        """The processes and their logs."""
        return self.services.processes

    def prepare(self) -> Awaitable[None] | None:
        """Refuse whoever may not come in. Kept cheap: every poll passes here."""
        access_rules = self.services.access_rules
        if not access_rules.knows_host(self.request.host):
            raise HTTPError(421)
        if access_rules.origins:
            self.share()
        if self.checks_origin_always or self.request.method not in SAFE:
            self._check_origin()
        if access_rules.needs_token and not self.open_to_all and not self._has_token():
            raise HTTPError(401)
        return None

    def _check_origin(self) -> None:
        origin = self.request.headers.get("Origin")
        if origin and not self.services.access_rules.knows_origin(origin, self.request.host):
            raise HTTPError(403)

    def _has_token(self) -> bool:
        if self.request.method == "OPTIONS":  # browsers ask ahead without credentials
            return True
        kind, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.services.access_rules.accepts_token(token.strip()):
            return True
        return self.services.access_rules.accepts_cookie(self.get_cookie(COOKIE) or "")

    def share(self) -> None:
        """Let pages of allowed origins read the answer (CORS, as in the Fetch standard)."""
        self.set_header("Vary", self.vary)
        origin = self.request.headers.get("Origin", "")
        if self.services.access_rules.shares_with(origin):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", SHARED_ANSWER_HEADERS)

    @property
    def vary(self) -> str:
        """What of a request the answer depends on."""
        return (
            "Accept-Encoding, Origin" if self.services.access_rules.origins else "Accept-Encoding"
        )

    def head(self, *arguments: str) -> Awaitable[None] | None:
        """Answer as GET does; Tornado leaves the body out."""
        answer: Awaitable[None] | None = self.get(*arguments)
        return answer

    def options(self, *_arguments: str) -> None:
        """Say which methods there are, to browsers that ask ahead too."""
        allowed = ", ".join(allowed_methods(type(self)))
        self.set_status(204)
        self.set_header("Allow", allowed)
        if self.services.access_rules.shares_with(self.request.headers.get("Origin", "")):
            self.set_header("Access-Control-Allow-Methods", allowed)
            self.set_header("Access-Control-Allow-Headers", SHARED_REQUEST_HEADERS)
            self.set_header("Access-Control-Max-Age", "600")


def allowed_methods(handler: type[RequestHandler]) -> tuple[str, ...]:
    """The methods that a handler implements, for `Allow`."""
    return tuple(
        method
        for method in METHODS
        if _implements(handler, "get" if method == "HEAD" else method.lower())
    )


def _implements(handler: type[RequestHandler], name: str) -> bool:
    return getattr(handler, name) is not getattr(RequestHandler, name)
