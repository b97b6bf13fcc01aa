"""The page of all processes, filtered by its address and paged to the first one."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from tornado.routing import URLSpec

from handlers.http.query import integer, processes_wanted
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services
from server.core.records import ProcessRecord, State

#: How many processes one page shows.
SHOWN = 50
#: How many pages of the store, which may be short, are read for one that is shown.
STORE_PAGES = 2
#: What the address may hold besides the cursor, in the order of the form.
FILTERS = ("target", "pipeline", "state", "since", "until", "q")


class ProcessesPage(Page):
    """`/processes/`: all processes that match, newest first, from `?before=` on."""

    async def get(self) -> None:
        """Show a page of them."""
        asked = processes_wanted(self)
        before = integer(self, "before", 1)
        records, older = await self._found(asked, before)
        targets = await self.archive.targets.by_pk(
            {record.target for record in records} | {asked["target"] or 0}
        )
        filters = self._filters()
        self.show(
            "pages/processes/processes.html",
            processes=[self.process_fields(record) for record in records],
            names=targets,
            target=targets.get(asked["target"] or 0),
            asked=asked,
            filters=filters,
            states=[str(state) for state in State],
            pipelines=self._pipelines(asked["pipelines"]),
            first_url=f"?{urlencode(filters)}" if before else None,
            older_url=f"?{urlencode(filters | {'before': older})}" if older else None,
        )

    async def _found(
        self, asked: dict[str, Any], before: int | None
    ) -> tuple[list[ProcessRecord], int | None]:
        """Return what is to be shown, and where to go on; a rare match may take another page."""
        found: list[ProcessRecord] = []
        for _ in range(STORE_PAGES):
            page = await self.processes.find(**asked, before=before, limit=SHOWN - len(found))
            found += page.items
            before = page.next
            if before is None or len(found) == SHOWN:
                break
        return found, before

    def _filters(self) -> dict[str, str]:
        return {
            name: value for name in FILTERS if (value := self.get_query_argument(name, "").strip())
        }

    def _pipelines(self, chosen: list[str] | None) -> list[str]:
        """Return the pipelines to choose from; one that is gone has processes all the same."""
        return [*dict.fromkeys([*self.processes.pipelines, *(chosen or [])])]


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page."""
    return [route(r"/processes/", ProcessesPage, services)]
