"""Access to every handler: host, origin, caller and role, and CORS for allowed origins.

The rules themselves are in `handlers.access`; here they are applied to requests.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar

from tornado.web import HTTPError, RequestHandler

from handlers.access.identification import Identification
from handlers.access.origins import check_page, check_site
from handlers.access.redaction import logged_path
from handlers.access.rules import AccessRules
from server.access.identity import Identity
from server.access.roles import ANYBODY, Caller, Role, RoleNeeded

log = logging.getLogger(__name__)

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SAFE_METHODS = frozenset({"GET", "HEAD"})
CORS_REQUEST_HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Range"
CORS_RESPONSE_HEADERS = (
    "Allow, Content-Disposition, Content-Range, ETag, Location, Retry-After, WWW-Authenticate"
)


class GuardedHandler(RequestHandler):
    """A handler that refuses whoever the access rules refuse. Answers are left to its heirs."""

    open_to_all = False  #: whether it answers without a token
    checks_origin_always = False  #: whether even a GET needs a known origin

    #: The roles that methods need where it is not that of `needed_role`.
    roles: ClassVar[Mapping[str, Role]] = {}
    #: Who sent the request, and the proof; not known where a check fails, or all are let in.
    caller: Caller = ANYBODY
    identity: Identity | None = None

    access_rules: AccessRules  #: set by the `initialize` of each heir
    identification: Identification  #: likewise, but where a handler is open to all

    def set_default_headers(self) -> None:
        """Let no browser guess a type, on errors either, and tell nobody our library's version."""
        self.set_header("X-Content-Type-Options", "nosniff")
        self.clear_header("Server")

    @property
    def prefix(self) -> str:
        """`http.prefix`, with which the paths of this server begin for its clients."""
        return str(self.settings.get("prefix", ""))

    def set_header(self, name: str, value: Any) -> None:
        """Set a header; of `Location`, a path of this server gets the prefix."""
        if name == "Location":
            address = value.decode() if isinstance(value, bytes) else str(value)
            value = self.prefix + address if address.startswith("/") else address
        super().set_header(name, value)

    def set_cookie(self, name: str, value: Any, *arguments: Any, **options: Any) -> None:
        """Set a cookie for the paths of this server alone."""
        if not arguments:
            options.setdefault("path", self.prefix or "/")
        super().set_cookie(name, value, *arguments, **options)

    def prepare(self) -> Awaitable[None] | None:
        """Refuse requests that the rules do not allow. Keep it cheap: every poll passes here.

        What it returns is to be awaited before anything else is done.
        """
        self.check_source()
        # Browsers send preflight requests without credentials.
        if self.open_to_all or self.request.method == "OPTIONS":
            return None
        identity = self.identify()
        if isinstance(identity, Identity):
            self.let_in(identity)
            return None
        return self._let_in_later(identity)

    def identify(self) -> Identity | Awaitable[Identity]:
        """Return who sent the request, or what to await for that. Raise NotIdentified."""
        return self.identification.identify(self.request, cookies=not self.from_elsewhere)

    async def _let_in_later(self, identity: Awaitable[Identity]) -> None:
        self.let_in(await identity)

    def let_in(self, identity: Identity) -> None:
        """Take the request as one of whom it is from. Raise RoleNeeded where that may not do it."""
        self.identity, self.caller = identity, identity.caller
        self._check_role(needed_role(type(self), str(self.request.method)))

    def check_source(self) -> None:
        """Refuse unknown hosts and foreign pages, whoever asks."""
        rules, request = self.access_rules, self.request
        if not rules.knows_host(request.host):
            raise HTTPError(421)
        if rules.origins:
            self.set_cors_headers()
        changes = request.method not in SAFE_METHODS
        if changes or self.checks_origin_always:
            check_page(rules, request.protocol, request.host, request.headers)
        if changes:
            check_site(rules, request.host, request.headers)

    @property
    def from_elsewhere(self) -> bool:
        """Whether a page of another origin sent it, allowed or not: then no cookie counts."""
        origin = self.request.headers.get("Origin")
        return origin is not None and not self._is_own(origin)

    def _is_own(self, origin: str) -> bool:
        return self.access_rules.is_own(origin, self.request.protocol, self.request.host)

    def _check_role(self, needed: Role) -> None:
        if not self.caller.role.includes(needed):
            log.info(
                "%s %s needs the role %s",
                self.request.method,
                logged_path(self.request.path),
                needed,
                extra={
                    "action": "access_refused",
                    "address": self.request.remote_ip,
                    "token": self.caller.name,
                },
            )
            raise RoleNeeded(needed, self.caller)

    def set_cors_headers(self) -> None:
        """Let pages of allowed origins read the answer (CORS, as in the Fetch standard)."""
        self.set_header("Vary", self.vary)
        origin = self.request.headers.get("Origin", "")
        if self.access_rules.shares_with(origin):
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", CORS_RESPONSE_HEADERS)

    @property
    def vary(self) -> str:
        """The request headers that the answer depends on."""
        return "Accept-Encoding, Origin" if self.access_rules.origins else "Accept-Encoding"

    def head(self, *arguments: str) -> Awaitable[None] | None:
        """Answer as GET does; Tornado leaves the body out."""
        answer: Awaitable[None] | None = self.get(*arguments)
        return answer

    def options(self, *_arguments: str) -> None:
        """Answer with the methods that there are, also to the preflight requests of browsers."""
        allowed = ", ".join(allowed_methods(type(self)))
        self.set_status(204)
        self.set_header("Allow", allowed)
        if self.access_rules.shares_with(self.request.headers.get("Origin", "")):
            self.set_header("Access-Control-Allow-Methods", allowed)
            self.set_header("Access-Control-Allow-Headers", CORS_REQUEST_HEADERS)
            self.set_header("Access-Control-Max-Age", "600")


def needed_role(handler: type[GuardedHandler], method: str) -> Role:
    """Return the role that a method of a handler needs: to read, to change, to delete."""
    if method in handler.roles:
        return handler.roles[method]
    if method in SAFE_METHODS or not _implements(handler, method.lower()):
        return Role.VIEWER  # who may read is told that there is no such method
    return Role.ADMIN if method == "DELETE" else Role.OPERATOR


def allowed_methods(handler: type[RequestHandler]) -> tuple[str, ...]:
    """Return the methods that a handler implements, for `Allow`."""
    return tuple(
        method
        for method in METHODS
        if _implements(handler, "get" if method == "HEAD" else method.lower())
    )


def _implements(handler: type[RequestHandler], name: str) -> bool:
    return getattr(handler, name) is not getattr(RequestHandler, name)
