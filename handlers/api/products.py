"""Data products in the API: list, upload and delete them. Their bytes are left to `files`."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.files.upload import UploadHandler
from handlers.http.base import BaseHandler
from handlers.http.query import PK, page, parse_pk
from handlers.http.routing import route
from handlers.services import Services
from handlers.sharing.views import OfProduct
from server.archive.derived.frames import frames_of


class TargetDataProductsHandler(UploadHandler):
    """The data products of a target."""

    async def get(self, pk: str) -> None:
        """Answer with a page of the data products."""
        target = await self.archive.targets.get(parse_pk(pk))
        found = await self.archive.products.find(target.pk, **page(self))
        fields = await self.archive.products.fields(found.items)
        await self.answer({"dataproducts": fields, "next": found.next})

    async def post(self, pk: str) -> None:
        """Answer with the data products that were uploaded, in their order."""
        products = await self.commit()
        pks = [product.pk for product in products]
        self.audit("products_uploaded", target_pk=parse_pk(pk), product_pks=pks)
        fields = await self.archive.products.fields(products)
        self.write_json({"dataproducts": fields}, 201)


class TargetFramesHandler(BaseHandler):
    """The data products of a target in one list, with their nights and what cannot be read."""

    async def get(self, pk: str) -> None:
        """Answer with the newest data products, and whether there are more."""
        target = await self.archive.targets.get(parse_pk(pk))
        frames, more = await frames_of(self.archive.products, target.pk)
        await self.answer({"frames": frames, "more": more})


class DataProductHandler(OfProduct):
    """One data product."""

    async def get(self, pk: str) -> None:
        """Answer with the data product."""
        product = await self.archive.products.get(parse_pk(pk))
        [fields] = await self.archive.products.fields([product])
        await self.answer(fields)

    async def delete(self, pk: str) -> None:
        """Delete the data product, unless a process that has not ended needs it."""
        await self.archive.products.delete(parse_pk(pk))
        self.audit("product_deleted", product_pk=parse_pk(pk))
        self.set_status(204)


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the data products."""
    return [
        route(rf"/api/targets/{PK}/dataproducts/", TargetDataProductsHandler, services),
        route(rf"/api/targets/{PK}/frames/", TargetFramesHandler, services),
        route(rf"/api/dataproducts/{PK}/", DataProductHandler, services),
    ]
