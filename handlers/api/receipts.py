"""`/api/processes/<pk>/receipt/`: what exactly ran, and on what."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.services import Services
from handlers.sharing.views import OfProcess


class ReceiptHandler(OfProcess):
    """The receipt of a process."""

    async def get(self, pk: str) -> None:
        """Answer with the receipt of the last attempt."""
        await self.answer(await self.processes.receipt(parse_pk(pk)))


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the receipts."""
    return [route(rf"/api/processes/{PK}/receipt/", ReceiptHandler, services)]
