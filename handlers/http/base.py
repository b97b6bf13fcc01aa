"""What handlers share: JSON answers with their version, and errors as JSON or as a page.

`guarded` decides who comes in, `refusals` words the errors, `body` reads bodies, `streams` sends
large answers.
"""

from __future__ import annotations

import hashlib
import logging
from http.client import responses
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
from tornado.web import HTTPError

from handlers.http.access_control import GuardedHandler, allowed_methods
from handlers.http.compression import compressed_apart
from handlers.http.error_responses import Refusal, refusal_of
from handlers.http.query import integer
from server.core.errors import HeliographError, InvalidInput, NotFound

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"
TEMPLATES = Path(__file__).parent.parent / "templates"
#: Scripts and styles are files of ours; nothing is inline, framed or from elsewhere.
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)

encode = msgspec.json.Encoder().encode


class BaseHandler(GuardedHandler):
    """A handler of the API. Raise the domain's errors or HTTPError; they become JSON here."""

    quiet = False  #: whether its requests are logged at debug only, as polls are

    def compute_etag(self) -> str | None:
        """None: a digest of every answer costs more than making it. See `unchanged`."""
        return None

    def unchanged(self, version: object) -> bool:
        """Put the version on the answer; True, with status 304, when the client has it already."""
        etag = f'W/"{version}"'
        self.set_header("Etag", etag)
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", self.vary)
        known = self.request.headers.get("If-None-Match")
        if known is not None and (known == etag or self.check_etag_header()):
            self.set_status(304)
            return True
        self.set_header("Content-Type", JSON)
        return False

    async def answer(self, value: object) -> None:
        """Answer a GET with this value as JSON; its digest is the version."""
        await self.answer_ready(encode(value))

    async def answer_ready(self, body: bytes) -> None:
        """Answer a GET with ready JSON; its digest is the version."""
        if not self.unchanged(hashlib.blake2b(body, digest_size=12).hexdigest()):
            self.write(await compressed_apart(self, body))

    def write_json(self, value: object, status: int = 200) -> None:
        """Answer what changes something with this value as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", JSON)
        self.write(encode(value))

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """The text of a part of the URL. A path that is no UTF-8 leads nowhere."""
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            if name is None:
                raise NotFound("page", value) from error
            raise InvalidInput.of(name, "This is no UTF-8.") from error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error, its status from the table in `refusals`."""
        refusal = refusal_of(kwargs.get("exc_info", (None, None))[1], status_code)
        self.set_status(refusal.status)
        if self.services.access_rules.origins:
            self.share()
        if refusal.status == 405:
            self.set_header("Allow", ", ".join(allowed_methods(type(self))))
        if refusal.status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        if refusal.retry_seconds is not None:
            self.set_header("Retry-After", refusal.retry_seconds)
        self.write_refusal(refusal)

    def write_refusal(self, refusal: Refusal) -> None:
        """Write the body of an error."""
        self.set_header("Content-Type", JSON)
        self.finish(encode(refusal.body))

    def log_exception(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log with its traceback what nobody foresaw, in a line what clients cannot help."""
        status = refusal_of(error).status
        summary = f"{self.request.method} {self.request.path}"
        if status < 500:
            log.debug("%s: %d %s", summary, status, error)
        elif isinstance(error, HTTPError | HeliographError) and status != 500:
            log.warning("%s: %d %s", summary, status, error)
        else:
            log.error("%s failed", summary, exc_info=error)


class PageHandler(BaseHandler):
    """A handler of a web page: templates, a strict policy, and errors as pages."""

    def set_default_headers(self) -> None:
        """Keep foreign scripts out and the address in, on errors too."""
        self.set_header("Content-Security-Policy", PAGE_POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")

    def get_template_path(self) -> str:
        """The templates beside this module, wherever the server was started."""
        return str(TEMPLATES)

    def cursor(self, name: str) -> int | None:
        """The cursor of a list in the query."""
        return integer(self, name, 1)

    def write_refusal(self, refusal: Refusal) -> None:
        """Show the error, or the login form to whom a token can help."""
        if refusal.status == 401:
            self.ask_for_token(str(self.request.uri))
            return
        reason = responses.get(refusal.status, "Error")
        self.render(
            "pages/error.html", status=refusal.status, reason=reason, message=refusal.sentence
        )

    def ask_for_token(self, destination: str, error: str | None = None) -> None:
        """Show the login form, which leads on to a path of ours."""
        self.render("pages/login.html", next=destination, error=error)
