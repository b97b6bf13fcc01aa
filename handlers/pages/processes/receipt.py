"""The receipt of a process as a page."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services
from handlers.sharing.views import OfProcess

#: How many inputs the page lists; the JSON has all of them.
INPUTS_SHOWN = 500


class ReceiptPage(OfProcess, Page):
    """`/processes/<pk>/receipt/`: what exactly ran, and on what."""

    async def get(self, pk: str) -> None:
        """Show the receipt of the last attempt."""
        record = await self.processes.get(parse_pk(pk))
        self.show(
            "pages/processes/receipt.html",
            receipt=await self.processes.receipt(record.pk),
            target=await self.archive.targets.get(record.target),
            page_url=self.prefix + (record.view_url or f"/processes/{record.pk}"),
            shown=INPUTS_SHOWN,
        )


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page of a receipt."""
    return [route(rf"/processes/{PK}/receipt/", ReceiptPage, services)]
