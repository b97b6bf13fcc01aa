"""`/gallery/` and `/dataproducts/deletemultiple/`: data products that the address names."""

from __future__ import annotations

from typing import Any, ClassVar

from tornado.routing import URLSpec

from handlers.http.routing import route
from handlers.pages.login import local_path
from handlers.pages.predecessor.forms import OldForm, pks_of, ticked
from handlers.services import Services
from server.access.roles import Role
from server.core.errors import InvalidInput, NotFound
from server.core.records import DataProduct

#: How many data products one page shows, and one request deletes.
MOST_SHOWN = 200
MOST_DELETED = 1_000


class _Selection(OldForm):
    """A page of the data products in `?product_pks=1,2`, or in `?product=` once or more often."""

    def asked_for(self) -> list[int]:
        """Return the PKs in the address. Raise InvalidInput if they are none."""
        return pks_of(self.get_query_arguments("product_pks") + self.get_query_arguments("product"))

    async def present(self, pks: list[int], most: int) -> list[DataProduct]:
        """Return those that are there. Raise InvalidInput for more than so many."""
        if len(pks) > most:
            raise InvalidInput.of("product_pks", f"At most {most:,} are taken.")
        return await self.archive.products.get_many(pks)

    async def fields_of(self, products: list[DataProduct]) -> list[dict[str, Any]]:
        """Return data products as templates show them."""
        return await self.archive.products.fields(products)


class GalleryPage(_Selection):
    """Thumbnails of data products, to put some of them into a group."""

    async def get(self) -> None:
        """Show the data products."""
        pks = self.asked_for()
        products = await self.fields_of(await self.present(pks, MOST_SHOWN))
        groups = await self.archive.groups.find(limit=100)
        self.show(
            "pages/predecessor/gallery.html",
            products=products,
            groups=groups.items,
            product_pks=",".join(str(each["pk"]) for each in products),
            missing=len(pks) - len(products),
        )

    async def post(self) -> None:
        """Put those that are ticked into a group, and redirect to its page."""
        fields = self.fields
        shown, chosen = pks_of([fields.get("product_pks", "")]), ticked(fields)
        wanted = [pk for pk in shown if pk in set(chosen)]
        if not wanted:
            raise InvalidInput(detail="No data product selected")
        try:
            [pk] = pks_of([fields.get("group", "")])
            group = await self.archive.groups.get(pk)
        except (ValueError, NotFound) as error:
            raise InvalidInput.of("group", "Choose a group that is there.") from error
        extended = await self.archive.groups.add(group, wanted)
        self.audit("group_extended", group_pk=group.pk, products=len(wanted))
        self.redirect(extended.url, status=302)


class DeletionPage(_Selection):
    """Asks whether data products are to be deleted, and deletes them."""

    roles: ClassVar = {"POST": Role.ADMIN}

    async def get(self) -> None:
        """Ask."""
        found = await self.present(self.asked_for(), MOST_DELETED)
        products = await self.fields_of(found)
        self.show(
            "pages/predecessor/deletion.html",
            products=products,
            product_pks=",".join(str(each["pk"]) for each in products),
            next=local_path(self.get_query_argument("next", "/")),
        )

    async def post(self) -> None:
        """Delete them one by one, and redirect to `next`; missing ones are fine.

        The first one that a process needs ends it, and the answer names it.
        """
        fields = self.fields
        wanted = pks_of([fields.get("product_pks", "")])
        if not wanted:
            raise InvalidInput(detail="No data product selected")
        for product in await self.present(wanted, MOST_DELETED):
            await self.archive.products.delete(product.pk)
            self.audit("product_deleted", product_pk=product.pk, target_pk=product.target)
        path = local_path(fields.get("next", "/"))
        own = f"{self.prefix}/"
        self.redirect(path.removeprefix(self.prefix) if path.startswith(own) else path, status=302)


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of pages of chosen data products."""
    return [
        route(r"/gallery/", GalleryPage, services),
        route(r"/dataproducts/deletemultiple/", DeletionPage, services),
    ]
