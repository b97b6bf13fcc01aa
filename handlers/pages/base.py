"""What all pages share: each is drawn with real content before any script runs.

What happens afterwards (live states, uploads, the growing log) is the scripts' part, in `static/`.
"""

from __future__ import annotations

import json
import time
from typing import Any

import msgspec

from handlers.http.base import PageHandler
from handlers.http.compression import compressed
from handlers.pages import formatting
from server.core.records import ProcessRecord

#: Besides FITS images, the server makes thumbnails of these.
PREVIEWED_SUFFIXES = (".png", ".jpg", ".jpeg")
TEXT_SUFFIXES = (".txt", ".log", ".csv", ".tsv", ".json", ".md", ".yml", ".psx")


def has_preview(product: dict[str, Any]) -> bool:
    """Whether the server can draw a thumbnail of this data product."""
    if product["fits"]:
        return bool(product["fits"]["width"])
    return bool(product["name"].lower().endswith(PREVIEWED_SUFFIXES))


def display_kind(product: dict[str, Any]) -> str:
    """How a page shows a data product."""
    kind, name = product["content_type"], product["name"].lower()
    if kind in ("video/webm", "video/mp4"):
        return "video"
    if kind in ("image/gif", "image/png", "image/jpeg"):
        return "image"
    if has_preview(product):
        return "preview"
    return "text" if name.endswith(TEXT_SUFFIXES) else "file"


def json_text(value: Any) -> str:
    """A value for a `data-` attribute; the template escapes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Page(PageHandler):
    """A page: its template gets the words it needs and the present time."""

    def facts(self, record: ProcessRecord) -> dict[str, Any]:
        """The contract's record of a process as plain values, and whether it is being stopped."""
        fields: dict[str, Any] = msgspec.to_builtins(self.processes.fields(record))
        stopping = record.cancel_requested and not record.state.ended
        return fields | {"stopping": stopping}

    def show(self, template: str, **content: Any) -> None:
        """Draw the template with this content."""
        page = self.render_string(
            template,
            formatting=formatting,
            json_text=json_text,
            has_preview=has_preview,
            display_kind=display_kind,
            now=time.time(),
            **content,
        )
        self.set_header("Vary", self.vary)
        self.finish(compressed(self, page))
