"""`/api/targets/<pk>/sky/`: where a target, the Sun and the Moon stand in a night at the site."""

from __future__ import annotations

import re
from datetime import date

from tornado.routing import URLSpec

from handlers.http.abandonment import AbandonableHandler
from handlers.http.query import PK, parse_pk, text
from handlers.http.routing import route
from handlers.services import Services
from server.archive.derived.nights import FIRST, LAST
from server.core.errors import InvalidInput

DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class SkyHandler(AbandonableHandler):
    """The sky of one target."""

    async def get(self, pk: str) -> None:
        """Answer with the night that begins on the date `night`, by default with tonight's."""
        target = await self.archive.targets.get(parse_pk(pk))
        night = await self.while_wanted(self.services.nights.get(target, self._night()))
        if night is not None:
            await self.answer_encoded(night)

    def _night(self) -> date | None:
        if "night" not in self.request.query_arguments:
            return None
        given = text(self, "night") or ""
        try:
            night = date.fromisoformat(given) if DATE.fullmatch(given) else None
        except ValueError:
            night = None
        if night is None or not FIRST <= night <= LAST:
            raise InvalidInput.of("night", f"A date from {FIRST} to {LAST} is expected.")
        return night


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the sky."""
    return [route(rf"/api/targets/{PK}/sky/", SkyHandler, services)]
