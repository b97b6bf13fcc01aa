"""What all pages share: templates, a strict content policy, and errors as pages.

Each page is drawn with its content before any script runs. What happens afterwards (live states,
uploads, the growing log) is left to the scripts in `static/`.
"""

from __future__ import annotations

import json
import time
from http.client import responses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from tornado.template import BaseLoader

from handlers.access.identification import COOKIE
from handlers.http.base import BaseHandler
from handlers.http.compression import compressed
from handlers.http.error_responses import SENTENCES, ErrorResponse
from handlers.pages import formatting
from handlers.pages.addresses import PrefixingLoader, page_of
from handlers.pages.display import display_kind, has_preview, table_kind
from server.access.roles import Caller, Role
from server.core.records import ProcessRecord
from server.processes.overview import Counts

if TYPE_CHECKING:
    from handlers.services import Services

TEMPLATES = Path(__file__).parent.parent / "templates"
#: Scripts and styles are files of ours; nothing is inline, framed or from elsewhere.
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none';"
    " form-action 'self'; frame-ancestors 'none'"
)

#: What a page says where the API's sentence would only repeat the name of the status.
PAGE_SENTENCES = {
    SENTENCES[404]: "There is nothing at this address. What was here may have been deleted.",
    SENTENCES[
        500
    ]: "Something went wrong in the server. Try again; if it goes on, tell whoever runs it.",
}


class Page(BaseHandler):
    """A handler that answers with a page, errors too. Its heirs `show` a template."""

    def set_default_headers(self) -> None:
        """Allow no foreign scripts, and tell other sites no addresses; on errors too."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("Referrer-Policy", "same-origin")
        self.set_header("Cache-Control", "no-cache")

    def get_template_path(self) -> str:
        """Return the folder of the templates, wherever the server was started."""
        return str(TEMPLATES)

    def create_template_loader(self, template_path: str) -> BaseLoader:
        """Return a loader whose templates put the prefix before the paths of this server."""
        return PrefixingLoader(template_path)

    def get_template_namespace(self) -> dict[str, Any]:
        """Return what every template may use.

        `disk_problem` is what all pages say while the disk is full. `role` is the caller's, or
        "guest" of one who sees a single process by a link to it: no page shows such a guest a link
        to anything else, nor anybody a control for what `may` refuses. Scripts read the role from
        the page: `static/draw/role.js`.
        """
        services = getattr(self, "services", None)
        return super().get_template_namespace() | {
            "disk_problem": None if services is None else services.disk_problem(),
            "prefix": self.prefix,
            "guest": self.guest,
            "role": "guest" if self.guest or self._is_stranger else str(self.caller.role),
            "may": self.may,
            "signed_in": self._signed_in(),
            "under_way": self._under_way(),
        }

    def _under_way(self) -> Counts | None:
        """Return what runs and waits, for the strip in the header; None where nobody sees it."""
        services = getattr(self, "services", None)
        return services.processes.overview.counts if services and self.may("viewer") else None

    @property
    def _is_stranger(self) -> bool:
        """Whether a server with tokens does not know who asks, as at the form to sign in."""
        if self.identity is not None:
            return False
        services: Services | None = getattr(self, "services", None)
        return services is not None and services.access.needs_token

    def may(self, role: str) -> bool:
        """Return whether the reader may do what needs this role."""
        known = not self.guest and not self._is_stranger
        return known and self.caller.role.includes(Role(role))

    def _signed_in(self) -> Caller | None:
        """Return who one is for the header of a page, None where nobody has to say so."""
        identity = getattr(self, "identity", None)
        return None if identity is None or identity.token is None else self.caller

    def show(self, template: str, **content: Any) -> None:
        """Answer with a template and its content, the functions it calls and the present time."""
        page = self.render_string(
            template,
            formatting=formatting,
            json_text=json_text,
            has_preview=has_preview,
            display_kind=display_kind,
            table_kind=table_kind,
            page_of=page_of,
            now=time.time(),
            **content,
        )
        self.set_header("Vary", self.vary)
        self.finish(compressed(self, page))

    def process_fields(self, record: ProcessRecord) -> dict[str, Any]:
        """Return the API's record of a process as plain values, and whether it is being stopped."""
        fields: dict[str, Any] = msgspec.to_builtins(self.record_fields(record))
        stopping = record.cancel_requested and not record.state.ended
        return fields | {"stopping": stopping}

    def picture_url(self, product: dict[str, Any], size: int) -> str:
        """Return the address of a picture of up to this many pixels, an animation as it is."""
        if product["content_type"] == "image/gif":
            return str(product["url"])
        return f"{self.prefix}/dataproducts/{product['pk']}/preview.png?size={size}"

    def write_error_body(self, response: ErrorResponse) -> None:
        """Show the error, or the login form where a token is missing."""
        if response.status == 401:
            self.ask_for_token(str(self.request.uri), self._why_asked(response))
            return
        self.render(
            "pages/error.html",
            status=response.status,
            reason=responses.get(response.status, "Error"),
            message=PAGE_SENTENCES.get(response.sentence, response.sentence),
        )

    def _why_asked(self, response: ErrorResponse) -> str | None:
        """Return what was wrong with the proof that came, None where none came."""
        came = "Authorization" in self.request.headers or COOKIE in self.request.cookies
        return response.sentence if came else None

    def ask_for_token(self, destination: str, error: str | None = None) -> None:
        """Show the login form, which leads on to a path of this server."""
        self.render("pages/login.html", next=destination, error=error)


def json_text(value: Any) -> str:
    """Return a value as JSON for a `data-` attribute; the template escapes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
