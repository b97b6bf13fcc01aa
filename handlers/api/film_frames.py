"""`/api/processes/<pk>/frames/`: the frames of a film, and those that are left out of it."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.services import Services
from handlers.sharing.views import OfProcess


class FilmFramesHandler(OfProcess):
    """The frames of a timelapse."""

    async def get(self, pk: str) -> None:
        """Answer with the frames of the last attempt so far, and what is left out and why."""
        await self.answer_encoded(await self.processes.film_frames(parse_pk(pk)))


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the frames."""
    return [route(rf"/api/processes/{PK}/frames/", FilmFramesHandler, services)]
