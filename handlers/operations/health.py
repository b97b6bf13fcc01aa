"""`/healthz` and `/readyz`: whether the server is alive, and whether it can work. Open to all.

The first is answered while the server starts, too: `starting` uses the same route.
"""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler, JsonHandler
from handlers.http.error_responses import RETRY_SECONDS
from handlers.http.routing import route
from handlers.services import Services, StartingServices

OK = {"status": "ok"}


class AliveHandler(JsonHandler):
    """Answers as long as the event loop runs."""

    open_to_all = True
    quiet = True

    def initialize(self, services: StartingServices) -> None:
        """Take what there is at any time."""
        self.access_rules = services.access_rules

    async def get(self) -> None:
        """Answer that the server is alive."""
        await self.answer(OK)


class ReadyHandler(BaseHandler):
    """Asks database, pool and examiner, and whether the server is stopping."""

    open_to_all = True
    quiet = True

    async def get(self) -> None:
        """Answer that the server is ready, or 503 with the reason why not."""
        problem = await self.services.ready()
        if problem is None:
            await self.answer(OK)
            return
        self.set_header("Retry-After", RETRY_SECONDS[503])
        self.write_json({"detail": problem}, 503)


def alive_route(services: StartingServices) -> URLSpec:
    """Return the route of `/healthz`, which needs no more than these services."""
    return route(r"/healthz", AliveHandler, services)


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the health checks."""
    return [alive_route(services), route(r"/readyz", ReadyHandler, services)]
