"""Data products in the API: a target's list, uploading, one of them. Bytes are left to `files`."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.files.upload import UploadHandler
from handlers.http.base import BaseHandler
from handlers.http.query import PK, page, parse_pk
from handlers.services import Services


class TargetDataProductsHandler(UploadHandler):
    """The data products of a target, and uploading."""

    async def get(self, pk: str) -> None:
        """Answer with a page of them."""
        target = await self.archive.targets.get(parse_pk(pk))
        found = await self.archive.products.find(target.pk, **page(self))
        fields = await self.archive.products.fields(found.items)
        await self.answer({"dataproducts": fields, "next": found.next})

    async def post(self, _pk: str) -> None:
        """Answer with what was uploaded, in its order."""
        fields = await self.archive.products.fields(await self.commit())
        self.write_json({"dataproducts": fields}, 201)


class DataProductHandler(BaseHandler):
    """One data product."""

    async def get(self, pk: str) -> None:
        """Answer with its facts."""
        product = await self.archive.products.get(parse_pk(pk))
        [fields] = await self.archive.products.fields([product])
        await self.answer(fields)

    async def delete(self, pk: str) -> None:
        """Delete it, unless a process that has not ended needs it."""
        await self.archive.products.delete(parse_pk(pk))
        self.set_status(204)


def routes(services: Services) -> list[URLSpec]:
    """Data products."""
    kwargs = {"services": services}
    return [
        URLSpec(rf"/api/targets/{PK}/dataproducts/", TargetDataProductsHandler, kwargs),
        URLSpec(rf"/api/dataproducts/{PK}/", DataProductHandler, kwargs),
    ]
