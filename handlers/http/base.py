"""What handlers share: JSON answers with their version, errors as JSON, and the collaborators.

Each class adds one thing: `GuardedHandler` (in `access_control`) refuses requests, `JsonHandler`
answers, `BaseHandler` has the services. `error_responses` words the errors, `body` reads bodies,
`streaming` sends large answers.
"""

from __future__ import annotations

import hashlib
import logging
from asyncio import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any

import msgspec
from tornado.web import HTTPError

from handlers.access import audit
from handlers.access.redaction import logged_path
from handlers.http.access_control import GuardedHandler, allowed_methods
from handlers.http.compression import compressed_in_thread
from handlers.http.error_responses import ErrorResponse, error_response_of
from server.core.errors import HeliographError, InvalidInput, NotFound

if TYPE_CHECKING:
    from handlers.services import Services
    from server.archive.archive import Archive
    from server.core.records import ProcessRecord
    from server.processes.service import Processes

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"

encode = msgspec.json.Encoder().encode


class JsonHandler(GuardedHandler):
    """A handler that answers in JSON; an error of the domain or HTTPError becomes JSON too.

    Its heirs set `access_rules` in `initialize`.
    """

    quiet = False  #: whether its requests are logged at debug only, as polls are
    sent_bytes = 0  #: of the answer's body so far

    def flush(self, include_footers: bool = False) -> Future[None]:
        """Send what was written, and count it."""
        if self.request.method != "HEAD":
            self.sent_bytes += sum(map(len, self._write_buffer))
        return super().flush(include_footers)

    def compute_etag(self) -> str | None:
        """Return None: a digest of every answer costs more than making it. See `unchanged`."""
        return None

    def unchanged(self, version: object) -> bool:
        """Set the version of the answer; return True, with status 304, if the client has it."""
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
        await self.answer_encoded(encode(value))

    async def answer_encoded(self, body: bytes) -> None:
        """Answer a GET with a body that is JSON already; its digest is the version."""
        if not self.unchanged(hashlib.blake2b(body, digest_size=12).hexdigest()):
            self.write(await compressed_in_thread(self, body))

    def write_json(self, value: object, status: int = 200) -> None:
        """Answer any other method with this value as JSON."""
        self.set_status(status)
        self.set_header("Content-Type", JSON)
        self.write(encode(value))

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Return the text of a part of the URL. Raise NotFound for a path that is not UTF-8."""
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            if name is None:
                raise NotFound("page", value) from error
            raise InvalidInput.of(name, "This is not valid UTF-8.") from error

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer an error, its status from the table in `error_responses`."""
        response = error_response_of(kwargs.get("exc_info", (None, None))[1], status_code)
        self.set_status(response.status)
        if self.access_rules.origins:
            self.set_cors_headers()
        if response.status == 405:
            self.set_header("Allow", ", ".join(allowed_methods(type(self))))
        if response.status == 401:
            self.set_header("WWW-Authenticate", "Bearer")
        if response.retry_seconds is not None:
            self.set_header("Retry-After", response.retry_seconds)
        self.write_error_body(response)

    def write_error_body(self, response: ErrorResponse) -> None:
        """Finish the answer with the body of an error."""
        self.set_header("Content-Type", JSON)
        self.finish(encode(response.body))

    def log_exception(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Log an unforeseen error with its traceback, any other in one line."""
        status = error_response_of(error).status
        summary = f"{self.request.method} {logged_path(self.request.path)}"
        if status < 500:
            log.debug("%s: %d %s", summary, status, error, extra={"action": "request_refused"})
        elif isinstance(error, HTTPError | HeliographError) and status != 500:
            log.warning(
                "%s: %d %s", summary, status, error, extra={"action": "request_unavailable"}
            )
        else:
            log.error("%s failed", summary, exc_info=error, extra={"action": "request_failed"})


class BaseHandler(JsonHandler):
    """A handler that works with the services."""

    guest = False  #: whether only a link to one process lets the request in

    def initialize(self, services: Services) -> None:
        """Take the collaborators."""
        self.services = services
        self.access_rules = services.access_rules
        self.identification = services.identification

    def record_fields(self, record: ProcessRecord) -> dict[str, Any]:
        """Return the record of a process as the API shows it to whoever asks."""
        shown = self.processes.fields_alone if self.guest else self.processes.fields
        return shown(record)

    def audit(self, action: str, *, level: int = logging.INFO, **ids: object) -> None:
        """Note in the audit trail what the caller has just done, and to what."""
        audit.record(action, self.caller, self.request.remote_ip, ids, level)

    @property
    def archive(self) -> Archive:
        """Targets, data products and groups."""
        return self.services.archive

    @property
    def processes(self) -> Processes:
        """The processes and their logs."""
        return self.services.processes
