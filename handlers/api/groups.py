"""`/api/groups/`: groups of data products; list, make, extend and delete them."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from tornado.routing import URLSpec

from handlers.http.body import BodyHandler
from handlers.http.json_input import Name, Pk
from handlers.http.query import PK, page, parse_pk
from handlers.http.routing import route
from handlers.services import Services
from handlers.sharing.views import OfGroup
from server.archive.groups import GROUP_PRODUCTS_LIMIT
from server.core.records import DataProductGroup

#: The fields of a group, in the order of the API.
FIELDS = ("pk", "name", "url", "products", "process", "created")

#: So many are there at least and at most; the archive checks it.
Products = Annotated[
    list[Pk], Meta(extra_json_schema={"minItems": 1, "maxItems": GROUP_PRODUCTS_LIMIT})
]


class NewGroup(Struct):
    """The fields of a new group."""

    name: Name
    products: Products


class AddedProducts(Struct):
    """Data products to add to a group."""

    products: Products


class GroupsHandler(BodyHandler):
    """All groups."""

    async def get(self) -> None:
        """Answer with a page of the groups."""
        found = await self.archive.groups.find(**page(self))
        groups = [fields_of(group, self.prefix) for group in found.items]
        await self.answer({"groups": groups, "next": found.next})

    async def post(self) -> None:
        """Make a group."""
        new = self.json_input(NewGroup)
        group = await self.archive.groups.create(new.name, new.products)
        self.audit("group_created", group_pk=group.pk)
        self.set_header("Location", f"/api/groups/{group.pk}/")
        self.write_json(fields_of(group, self.prefix), 201)


class GroupHandler(OfGroup):
    """One group."""

    async def get(self, pk: str) -> None:
        """Answer with the group."""
        group = await self.archive.groups.get(parse_pk(pk))
        await self.answer(fields_of(group, self.prefix))

    async def delete(self, pk: str) -> None:
        """Delete the group; its data products stay."""
        await self.archive.groups.delete(parse_pk(pk))
        self.audit("group_deleted", group_pk=parse_pk(pk))
        self.set_status(204)


class GroupProductsHandler(BodyHandler):
    """The data products of a group."""

    async def post(self, pk: str) -> None:
        """Add data products; those that are in the group already stay where they are."""
        added = self.json_input(AddedProducts)
        group = await self.archive.groups.get(parse_pk(pk))
        extended = await self.archive.groups.add(group, added.products)
        self.audit("group_extended", group_pk=group.pk, products=len(added.products))
        self.write_json(fields_of(extended, self.prefix))


def fields_of(group: DataProductGroup, prefix: str) -> dict[str, Any]:
    """Return a group as the API shows it."""
    return {name: getattr(group, name) for name in FIELDS} | {"url": prefix + group.url}


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the groups."""
    return [
        route(r"/api/groups/", GroupsHandler, services),
        route(rf"/api/groups/{PK}/", GroupHandler, services),
        route(rf"/api/groups/{PK}/products/", GroupProductsHandler, services),
    ]
