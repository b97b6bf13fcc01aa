"""The receipt of a process as a page."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.query import PK, parse_pk
from handlers.pages.base import Page
from handlers.services import Services

#: Inputs on the page; the JSON has all.
INPUTS_SHOWN = 500


class ReceiptPage(Page):
    """`/processes/<pk>/receipt/`: the same to read."""

    async def get(self, pk: str) -> None:
        """Draw it."""
        record = await self.processes.get(parse_pk(pk))
        self.show(
            "pages/receipt.html",
            receipt=await self.processes.receipt(record.pk),
            target=await self.archive.targets.get(record.target),
            page_url=record.view_url or f"/processes/{record.pk}",
            shown=INPUTS_SHOWN,
        )


def routes(services: Services) -> list[URLSpec]:
    """The page of a receipt."""
    return [URLSpec(rf"/processes/{PK}/receipt/", ReceiptPage, {"services": services})]
