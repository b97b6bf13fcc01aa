"""`/api/status/`: the server at a glance."""

from __future__ import annotations

import hashlib
import time

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler, encode
from handlers.http.routing import route
from handlers.services import Services


class ServerStatusHandler(BaseHandler):
    """Answers with figures that are known, or were measured some seconds ago at most."""

    quiet = True

    async def get(self) -> None:
        """Answer with the figures; their version is that of all but the time stamp."""
        figures = await self.services.server_status()
        version = hashlib.blake2b(encode(figures), digest_size=12).hexdigest()
        if not self.unchanged(version):
            self.write(encode({"timestamp": time.time(), **figures}))


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the server's status."""
    return [route(r"/api/status/", ServerStatusHandler, services)]
