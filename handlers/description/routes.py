"""`/api/openapi.json`, and `/api/docs/`, the page that shows the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from tornado.routing import URLSpec

from handlers.description.document import Described, described, document_of
from handlers.description.page import (
    Chapter,
    SchemaShown,
    chapters_of,
    pieces,
    schemas_shown,
)
from handlers.http.base import BaseHandler, encode
from handlers.http.compression import accepts_gzip, gzipped
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services


class Description:
    """The description of all routes, made when it is first asked for.

    `prefix` returns what their paths begin with.
    """

    def __init__(self, known: Sequence[URLSpec], prefix: Callable[[], str] = str) -> None:
        self.routes = list(known)
        self._prefix = prefix

    @cached_property
    def operations(self) -> list[Described]:
        """The operations of all routes."""
        return described(self.routes)

    @cached_property
    def document(self) -> dict[str, Any]:
        """The description as OpenAPI."""
        return document_of(self.operations, self._prefix())

    @cached_property
    def body(self) -> bytes:
        """The description as JSON."""
        return encode(self.document)

    @cached_property
    def compressed_body(self) -> bytes:
        """The same, compressed once for all clients."""
        return gzipped(self.body)

    @cached_property
    def version(self) -> str:
        """The version of the description."""
        return hashlib.blake2b(self.body, digest_size=12).hexdigest()

    @cached_property
    def chapters(self) -> list[Chapter]:
        """The operations as the page shows them."""
        return chapters_of(self.operations, self.document)

    @cached_property
    def schemas(self) -> list[SchemaShown]:
        """The schemas as the page shows them."""
        return schemas_shown(self.document)


NOTHING = Description([])


class OpenApiHandler(BaseHandler):
    """The description of the API as OpenAPI 3.1."""

    def initialize(self, services: Services, description: Description = NOTHING) -> None:
        """Take the description."""
        super().initialize(services)
        self.description = description

    async def get(self) -> None:
        """Send the description, unless the client has it."""
        if self.unchanged(self.description.version):
            return
        if accepts_gzip(self):
            self.set_header("Content-Encoding", "gzip")
            self.write(self.description.compressed_body)
        else:
            self.write(self.description.body)


class DocsPage(Page):
    """The description of the API as a page."""

    def initialize(self, services: Services, description: Description = NOTHING) -> None:
        """Take the description."""
        super().initialize(services)
        self.description = description

    def get(self) -> None:
        """Show every operation and every schema."""
        self.show(
            "pages/api.html",
            introduction=self.description.document["info"]["description"],
            version=self.description.document["info"]["version"],
            chapters=self.description.chapters,
            schemas=self.description.schemas,
            pieces=pieces,
        )


def routes(services: Services, known: Sequence[URLSpec]) -> list[URLSpec]:
    """Return the routes of the description, which is of the known ones and of these."""
    description = Description(known, lambda: services.config.http.prefix)
    own = [
        route(r"/api/openapi\.json", OpenApiHandler, services, description=description),
        route(r"/api/docs/", DocsPage, services, description=description),
    ]
    description.routes += own
    return own
