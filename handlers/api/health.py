"""`/healthz` and `/readyz`: whether the server lives, and whether it can work. Open to all."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.error_responses import RETRY_SECONDS
from handlers.services import Services


class AliveHandler(BaseHandler):
    """Answers as long as the event loop does."""

    open_to_all = True
    quiet = True

    async def get(self) -> None:
        """Say so."""
        await self.answer({"status": "ok"})


class ReadyHandler(BaseHandler):
    """Asks the database, the pool and the examiner."""

    open_to_all = True
    quiet = True

    async def get(self) -> None:
        """Say that everything is ready, or with 503 what is not."""
        problem = await self.services.ready()
        if problem is None:
            await self.answer({"status": "ok"})
            return
        self.set_header("Retry-After", RETRY_SECONDS[503])
        self.write_json({"detail": problem}, 503)


def routes(services: Services) -> list[URLSpec]:
    """The two questions of whoever supervises the server."""
    kwargs = {"services": services}
    return [
        URLSpec(r"/healthz", AliveHandler, kwargs),
        URLSpec(r"/readyz", ReadyHandler, kwargs),
    ]
