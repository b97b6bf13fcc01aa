"""`/api/tickets/`: tickets for websockets that can send no header."""

from __future__ import annotations

import logging
from typing import ClassVar

from msgspec import Struct
from tornado.routing import URLSpec

from handlers.http.body import BodyHandler
from handlers.http.routing import route
from handlers.services import Services
from server.access.roles import Role


class NoFields(Struct):
    """Nothing is asked for."""


class TicketsHandler(BodyHandler):
    """Makes tickets for whoever may read."""

    roles: ClassVar = {"POST": Role.VIEWER}

    async def post(self) -> None:
        """Answer with a ticket that lets its holder in as the caller, once."""
        self.optional_json_input(NoFields)
        token = None if self.identity is None else self.identity.token
        ticket = await self.services.tickets.make(token)
        self.audit("ticket_made", level=logging.DEBUG)
        self.set_header("Cache-Control", "no-store")
        self.write_json({"ticket": ticket.secret, "expires": ticket.expires}, 201)


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the tickets."""
    return [route(r"/api/tickets/", TicketsHandler, services)]
