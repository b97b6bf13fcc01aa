"""The page of all targets, the first that a visitor sees."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import urlencode

from tornado.routing import URLSpec

from handlers.http.query import integer, text
from handlers.http.routing import route
from handlers.pages import formatting
from handlers.pages.base import Page
from handlers.pages.display import has_preview
from handlers.services import Services
from server.core.records import ProcessRecord, State, Target

#: How many targets one page shows.
TARGETS_SHOWN = 50
#: How many rows ask the database at the same time, so that other requests get their turn.
ROWS_AT_ONCE = 8
#: How many unended processes the rows show, over all targets.
ACTIVE_SHOWN = 1_000
#: How many data products are searched for the newest image: mostly it is among the first few, but
#: tables made by a run may be newer.
IMAGE_SEARCH_STEPS = (5, 100)
#: How far data products and processes are counted.
COUNTED = 200


@dataclass(frozen=True)
class TargetRow:
    """A target in the list: its newest image's PK, how much it has, and what has not ended."""

    target: Target
    newest: int | None
    products: str
    processes: str
    active: list[ProcessRecord]


class TargetsPage(Page):
    """`/`: the targets, newest first, and a form for another one."""

    async def get(self) -> None:
        """Show the targets that match `?search=`, from `?before=` on."""
        search, before = text(self, "search"), integer(self, "before", 1)
        page = await self.archive.targets.find(before=before, limit=TARGETS_SHOWN, search=search)
        query = {"before": page.next} | ({"search": search} if search else {})
        self.show(
            "pages/targets.html",
            rows=await self._rows(page.items),
            search=search or "",
            paged=before is not None,
            next_url=f"?{urlencode(query)}" if page.next else None,
            target=None,
        )

    async def _rows(self, targets: list[Target]) -> list[TargetRow]:
        active = await self._active()
        turn = asyncio.Semaphore(ROWS_AT_ONCE)

        async def row(target: Target) -> TargetRow:
            async with turn:
                return await self._row(target, active[target.pk])

        return await asyncio.gather(*map(row, targets))

    async def _active(self) -> defaultdict[int, list[ProcessRecord]]:
        """Return the processes that have not ended, by target, newest first."""
        page = await self.processes.find(states=[State.QUEUED, State.RUNNING], limit=ACTIVE_SHOWN)
        active = defaultdict(list)
        for record in page.items:
            active[record.target].append(record)
        return active

    async def _row(self, target: Target, active: list[ProcessRecord]) -> TargetRow:
        return TargetRow(
            target,
            await self._newest_image(target.pk),
            formatting.at_most(await self.archive.products.count(target.pk, COUNTED), COUNTED),
            formatting.at_most(await self.processes.count(target.pk, COUNTED), COUNTED),
            active,
        )

    async def _newest_image(self, target: int) -> int | None:
        before = None
        for limit in IMAGE_SEARCH_STEPS:
            page = await self.archive.products.find(target, before=before, limit=limit)
            for product in page.items:
                if has_preview({"fits": product.fits, "name": product.name}):
                    return product.pk
            before = page.next
            if before is None:
                break
        return None


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the list of targets."""
    return [route(r"/", TargetsPage, services)]
