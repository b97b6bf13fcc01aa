"""`/metrics`: what the server counts and measures of itself, for Prometheus."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.compression import compressed_in_thread
from handlers.http.routing import route
from handlers.services import Services


class MetricsHandler(BaseHandler):
    """Answers from memory, and with figures that were measured some seconds ago at most."""

    quiet = True

    async def get(self) -> None:
        """Answer with all metrics, in the format that Prometheus asks for."""
        await self.services.server_status()
        text, media_type = self.services.metrics.text(self.request.headers.get("Accept", ""))
        self.set_header("Content-Type", media_type)
        self.set_header("Cache-Control", "no-store")
        self.set_header("Vary", f"Accept, {self.vary}")
        self.write(await compressed_in_thread(self, text))


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the metrics."""
    return [route(r"/metrics", MetricsHandler, services)]
