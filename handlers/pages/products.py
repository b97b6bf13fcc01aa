"""The pages of one data product and of a group of them: pictures, tables, headers to look at.

What can be shown is decided here, and drawn at first; headers, tables and plots are fetched by the
scripts in `static/`.
"""

from __future__ import annotations

from typing import Any

from tornado.routing import URLSpec

from handlers.files.previews import STRETCHES, USUAL_STRETCH
from handlers.http.query import PK, integer, parse_pk, text
from handlers.pages.base import Page
from handlers.services import Services
from server.core.errors import InvalidInput

#: How many data products of a group one page shows.
PIECES_SHOWN = 48


class LookPage(Page):
    """A page with pictures, whose stretch can be chosen."""

    def stretch(self) -> str:
        """The stretch that the query asks for."""
        stretch = text(self, "stretch") or USUAL_STRETCH
        if stretch not in STRETCHES:
            raise InvalidInput.of("stretch", f"One of {', '.join(STRETCHES)} is expected.")
        return stretch


class GroupPage(LookPage):
    """`/dataproducts/data/group/<pk>/`: data products that belong together, to look at."""

    async def get(self, pk: str) -> None:
        group = await self.archive.groups.get(parse_pk(pk))
        start, stretch = integer(self, "from", 0) or 0, self.stretch()
        shown = await self.archive.products.get_many(group.products[start : start + PIECES_SHOWN])
        process = None if group.process is None else await self.processes.get(group.process)
        more = len(group.products) > start + PIECES_SHOWN
        self.show(
            "pages/group.html",
            group=group,
            products=await self.archive.products.fields(shown),
            start=start,
            next_url=f"?from={start + PIECES_SHOWN}&stretch={stretch}" if more else None,
            process=None if process is None else self.facts(process),
            target=await self.archive.targets.get(shown[0].target) if shown else None,
            stretch=stretch,
            stretches=STRETCHES,
        )


class ProductPage(LookPage):
    """`/dataproducts/<pk>/`: one data product, as large as the window allows."""

    async def get(self, pk: str) -> None:
        product = await self.archive.products.get(parse_pk(pk))
        [fields] = await self.archive.products.fields([product])
        process = None if product.process is None else await self.processes.get(product.process)
        self.show(
            "pages/product.html",
            product=fields,
            fits=fits_facts(fields),
            process=None if process is None else self.facts(process),
            target=await self.archive.targets.get(product.target),
            stretch=self.stretch(),
            stretches=STRETCHES,
        )


def fits_facts(product: dict[str, Any]) -> dict[str, Any]:
    """The facts of a FITS file; nothing for what is none."""
    return dict(product["fits"] or {})


def routes(services: Services) -> list[URLSpec]:
    """The pages of a group and of a data product."""
    kwargs = {"services": services}
    return [
        URLSpec(rf"/dataproducts/data/group/{PK}/", GroupPage, kwargs),
        URLSpec(rf"/dataproducts/{PK}/", ProductPage, kwargs),
    ]
