"""Receipts of processes, as JSON and as a page: what exactly ran on what."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.base import BaseHandler
from handlers.pages import Page
from handlers.query import PK, pk_of
from handlers.services import Services

#: Inputs on the page; the JSON has all.
INPUTS_SHOWN = 500


class ReceiptHandler(BaseHandler):
    """The receipt of a process."""

    async def get(self, pk: str) -> None:
        """Answer with the receipt of the last attempt."""
        await self.answer(await self.processes.receipt(pk_of(pk)))


class ReceiptPage(Page):
    """`/processes/<pk>/receipt/`: the same to read."""

    async def get(self, pk: str) -> None:
        """Draw it."""
        record = await self.processes.get(pk_of(pk))
        self.show(
            "pages/receipt.html",
            receipt=await self.processes.receipt(record.pk),
            target=await self.archive.target(record.target),
            page_url=record.view_url or f"/processes/{record.pk}",
            shown=INPUTS_SHOWN,
        )


def routes(services: Services) -> list[URLSpec]:
    """The receipts."""
    kwargs = {"services": services}
    return [
        URLSpec(rf"/api/processes/{PK}/receipt/", ReceiptHandler, kwargs),
        URLSpec(rf"/processes/{PK}/receipt/", ReceiptPage, kwargs),
    ]
