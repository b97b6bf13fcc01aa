"""The pages of one data product and of a group of them: pictures, tables and headers.

They choose what to show and draw it at first; headers, tables and plots are fetched by the scripts
in `static/`.
"""

from __future__ import annotations

from typing import Any

from tornado.routing import URLSpec

from handlers.files.previews import STRETCHES, stretch_of
from handlers.http.query import PK, integer
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.pages.display import display_kind, table_kind
from handlers.pages.predecessor.redirects import found_or_led_on
from handlers.services import Services
from handlers.sharing.views import OfGroup, OfProduct
from server.core.records import DataProduct, DataProductGroup

#: How many data products of a group one page shows.
PRODUCTS_SHOWN = 48


#: What the members of a group are sorted into, and how each kind is displayed.
KINDS = {
    "Films": ("video",),
    "Pictures": ("image", "preview"),
    "Tables": ("table",),
    "Texts": ("text",),
    "Other files": ("file",),
}


def by_kind(products: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return data products by the kinds that there are, in the order of `KINDS`."""
    found: dict[str, list[dict[str, Any]]] = {title: [] for title in KINDS}
    titles = {look: title for title, looks in KINDS.items() for look in looks}
    for product in products:
        look = display_kind(product)
        # A text of comma-separated values is a table.
        is_table = look == "text" and table_kind(product) == "table"
        found["Tables" if is_table else titles[look]].append(product)
    return {title: members for title, members in found.items() if members}


class GroupPage(OfGroup, Page):
    """`/dataproducts/data/group/<pk>/`: data products that belong together."""

    async def get(self, pk: str) -> None:
        """Show the data products of a group, `?from=` the first of them."""
        groups = self.archive.groups
        group = await found_or_led_on(self, "group", pk, groups.get, lambda group: group.url)
        if group is not None:
            await self._show(group)

    async def _show(self, group: DataProductGroup) -> None:
        start, stretch = integer(self, "from", 0) or 0, stretch_of(self)
        end = start + PRODUCTS_SHOWN
        shown = await self.archive.products.get_many(group.products[start:end])
        process = None if group.process is None else await self.processes.get(group.process)
        fields = await self.archive.products.fields(shown)
        more = len(group.products) > end
        self.show(
            "pages/group.html",
            group=group,
            products=fields,
            kinds=by_kind(fields),
            start=start,
            next_url=f"?from={end}&stretch={stretch}" if more else None,
            process=None if process is None else self.process_fields(process),
            target=await self.archive.targets.get(shown[0].target) if shown else None,
            stretch=stretch,
            stretches=STRETCHES,
        )


class ProductPage(OfProduct, Page):
    """`/dataproducts/<pk>/`: one data product, as large as the window allows."""

    async def get(self, pk: str) -> None:
        """Show a data product."""
        get = self.archive.products.get
        product = await found_or_led_on(
            self, "dataproduct", pk, get, lambda product: f"/dataproducts/{product.pk}/"
        )
        if product is not None:
            await self._show(product)

    async def _show(self, product: DataProduct) -> None:
        [fields] = await self.archive.products.fields([product])
        if self.guest:  # who may not see what other groups there are
            fields["groups"] = []
        process = None if product.process is None else await self.processes.get(product.process)
        if fields["fits"]:
            self.services.expect_viewer()
        self.show(
            "pages/product.html",
            product=fields,
            fits=fields["fits"] or {},
            process=None if process is None else self.process_fields(process),
            target=await self.archive.targets.get(product.target),
            stretch=stretch_of(self),
            stretches=STRETCHES,
        )


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the pages of groups and data products."""
    return [
        route(rf"/dataproducts/data/group/{PK}/", GroupPage, services),
        route(rf"/dataproducts/{PK}/", ProductPage, services),
    ]
