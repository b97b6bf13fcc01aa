"""`/api/groups/`: groups of data products, to list, make, add to and delete."""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.body import BodyHandler
from handlers.http.json_input import Pk
from handlers.http.query import PK, page, parse_pk
from handlers.services import Services
from server.core.records import DataProductGroup

#: The fields of a group, in the order of the contract.
FIELDS = ("pk", "name", "url", "products", "process", "created")


class NewGroup(Struct):
    """What a group is made from."""

    name: str
    products: list[Pk]


class FurtherProducts(Struct):
    """What shall be in a group as well."""

    products: list[Pk]


class GroupsHandler(BodyHandler):
    """The list, and making one."""

    async def get(self) -> None:
        """Answer with a page of them."""
        found = await self.archive.groups.find(**page(self))
        await self.answer(
            {"groups": [fields_of(group) for group in found.items], "next": found.next}
        )

    async def post(self) -> None:
        """Make a group."""
        wanted = self.json_input(NewGroup)
        group = await self.archive.groups.create(wanted.name, wanted.products)
        self.set_header("Location", f"/api/groups/{group.pk}/")
        self.write_json(fields_of(group), 201)


class GroupHandler(BaseHandler):
    """One group."""

    async def get(self, pk: str) -> None:
        """Answer with the group."""
        await self.answer(fields_of(await self.archive.groups.get(parse_pk(pk))))

    async def delete(self, pk: str) -> None:
        """Delete the group; its data products stay."""
        await self.archive.groups.delete(parse_pk(pk))
        self.set_status(204)


class GroupProductsHandler(BodyHandler):
    """What is in a group."""

    async def post(self, pk: str) -> None:
        """Add data products; those that are in it already stay where they are."""
        wanted = self.json_input(FurtherProducts)
        group = await self.archive.groups.get(parse_pk(pk))
        self.write_json(fields_of(await self.archive.groups.add(group, wanted.products)))


def fields_of(group: DataProductGroup) -> dict[str, Any]:
    """A group as the contract shows it."""
    return {name: getattr(group, name) for name in FIELDS}


def routes(services: Services) -> list[URLSpec]:
    """Groups."""
    kwargs = {"services": services}
    return [
        URLSpec(r"/api/groups/", GroupsHandler, kwargs),
        URLSpec(rf"/api/groups/{PK}/", GroupHandler, kwargs),
        URLSpec(rf"/api/groups/{PK}/products/", GroupProductsHandler, kwargs),
    ]
