"""Bookmarks of a site that was moved in: its media files, and PKs that have changed since."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tornado.routing import URLSpec

from handlers.http.query import parse_pk
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services
from server.archive.derived.old_urls import Kind
from server.core.errors import NotFound
from server.core.records import Record

Found = TypeVar("Found", bound=Record)


async def found_or_led_on(
    page: Page,
    kind: Kind,
    pk: str,
    get: Callable[[int], Awaitable[Found]],
    address_of: Callable[[Found], str],
) -> Found | None:
    """Return the record of a page; None if the page was redirected to where the record is now.

    A PK that names something here is that, whatever it was on a site that was moved in. Raise
    NotFound if it names nothing, here or there.
    """
    try:
        return await get(parse_pk(pk))
    except NotFound:
        new = None if page.guest else await page.archive.old_urls.new_pk(kind, parse_pk(pk))
        if new is None:
            raise
        query = f"?{page.request.query}" if page.request.query else ""
        page.redirect(address_of(await get(new)) + query, permanent=True)
        return None


class MediaFile(Page):
    """`/data/<target name>/none/<file>`: where the old site served its files."""

    async def get(self, path: str) -> None:
        """Redirect to the file; for good if it was moved in, as a name may be used again."""
        product, moved = await self.archive.old_urls.file(path)
        self.redirect(product.url, permanent=moved)


def routes(services: Services) -> list[URLSpec]:
    """Return the route of old media files."""
    return [route(r"/data/(.*)", MediaFile, services)]
