"""The page of the night: what runs, what waits and what has failed, over all targets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tornado.routing import URLSpec

from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services
from server.core.records import ProcessRecord, Target
from server.processes.overview import Failed

#: How many of each list the page shows; what is left leads to the page of all processes.
RUNNING_SHOWN = 100
QUEUED_SHOWN = 100
FAILED_SHOWN = 50


class NowPage(Page):
    """`/now`: what runs with its picture, the queue in order, what failed in the last 24 hours.

    Its script asks for it again with each change, and puts what differs into the page.
    """

    quiet = True

    async def get(self) -> None:
        """Show the page."""
        overview = self.processes.overview
        running = await overview.running(RUNNING_SHOWN)
        queued = await overview.queued(QUEUED_SHOWN)
        failed = await overview.failed(FAILED_SHOWN)
        self.show(
            "pages/processes/now.html",
            running=self._shown(running),
            queued=self._shown(queued),
            failed=self._with_sentences(failed),
            names=await self._names([*running, *queued, *(each.record for each in failed)]),
            status=await self.services.server_status(),
            slots=self.services.slots_of_all(),
        )

    def _shown(self, records: Iterable[ProcessRecord]) -> list[dict[str, Any]]:
        return [self.process_fields(record) for record in records]

    def _with_sentences(self, failed: Iterable[Failed]) -> list[dict[str, Any]]:
        return [self.process_fields(each.record) | {"why": each.sentence} for each in failed]

    async def _names(self, records: Iterable[ProcessRecord]) -> dict[int, Target]:
        return await self.archive.targets.by_pk({record.target for record in records})


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page."""
    return [route(r"/now", NowPage, services)]
