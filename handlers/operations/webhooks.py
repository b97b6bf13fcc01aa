"""The deliveries to webhooks and by mail: `/api/webhooks/`, and `/webhooks/` as a page."""

from __future__ import annotations

from typing import Any

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.query import page
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services
from server.operations.notifications.notifications import DeliveryList

#: How many deliveries the page shows.
SHOWN = 200


class WebhooksHandler(BaseHandler):
    """Who is told what, and the latest deliveries."""

    @property
    def deliveries(self) -> DeliveryList:
        """Receivers and deliveries."""
        return self.services.deliveries

    async def get(self) -> None:
        """Answer with the receivers and a page of the deliveries, newest first."""
        deliveries, following = await self.deliveries.page(**page(self))
        await self.answer(
            {
                "webhooks": self.deliveries.receivers(),
                "deliveries": deliveries,
                "next": following,
            }
        )


class WebhooksPage(Page):
    """The same as a page."""

    async def get(self) -> None:
        """Show the receivers and the newest deliveries."""
        deliveries: list[dict[str, Any]]
        deliveries, _ = await self.services.deliveries.page(limit=SHOWN)
        receivers = self.services.deliveries.receivers()
        self.show("pages/webhooks.html", receivers=receivers, deliveries=deliveries)


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the deliveries."""
    return [
        route(r"/api/webhooks/", WebhooksHandler, services),
        route(r"/webhooks/", WebhooksPage, services),
    ]
