"""The page of all targets, the first that a visitor sees."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tornado.routing import URLSpec

from handlers.http.query import integer, seconds, text
from handlers.http.routing import route
from handlers.pages import formatting
from handlers.pages.base import Page
from handlers.pages.display import has_preview
from handlers.services import Services
from server.archive.derived.activity import Active, ActiveTarget
from server.core.records import LARGEST_PK, ProcessRecord, State, Target

#: How many targets one page shows.
TARGETS_SHOWN = 50
#: How many rows ask the database at the same time, so that other requests get their turn.
ROWS_AT_ONCE = 8
#: How many processes of each unended state the rows show, over all targets.
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
    last: float  #: when something was last done about it, in Unix seconds

    @property
    def more(self) -> str:
        """How many processes have not ended besides the one that is named."""
        return formatting.at_most(len(self.active) - 1, COUNTED)


class TargetsPage(Page):
    """`/`: the targets, the last active one first, and a form for another one."""

    async def get(self) -> None:
        """Show the targets from `?active=` and `?before=` on, or those that match `?search=`."""
        search, before = text(self, "search"), integer(self, "before", 1, LARGEST_PK)
        if search:
            targets, following = await self._matching(search, before)
        else:
            targets, following = await self._last_active(before)
        self.show(
            "pages/targets.html",
            rows=await self._rows(targets),
            search=search or "",
            paged=before is not None,
            next_url=f"?{urlencode(following)}" if following else None,
            target=None,
        )

    async def _matching(
        self, search: str, before: int | None
    ) -> tuple[list[ActiveTarget], dict[str, Any]]:
        """Return a page of the targets that match, the newest first, and the query of the next."""
        page = await self.archive.targets.find(before=before, limit=TARGETS_SHOWN, search=search)
        times = await self.archive.activity.times([target.pk for target in page.items])
        found = [ActiveTarget(each, times.get(each.pk, each.created)) for each in page.items]
        return found, {"before": page.next, "search": search} if page.next else {}

    async def _last_active(self, before: int | None) -> tuple[list[ActiveTarget], dict[str, Any]]:
        """Return a page of all targets, the last active first, and the query of the next."""
        active = seconds(self, "active")
        behind = None if before is None or active is None else Active(active, before)
        found, last = await self.archive.activity.find(behind, TARGETS_SHOWN)
        return found, {} if last is None else {"active": f"{last.time:.6f}", "before": last.target}

    async def _rows(self, targets: list[ActiveTarget]) -> list[TargetRow]:
        active = await self._active()
        turn = asyncio.Semaphore(ROWS_AT_ONCE)

        async def row(each: ActiveTarget) -> TargetRow:
            async with turn:
                return await self._row(each.target, active[each.target.pk], each.time)

        return await asyncio.gather(*map(row, targets))

    async def _active(self) -> defaultdict[int, list[ProcessRecord]]:
        """Return the processes that have not ended, by target: what runs, then what waits."""
        # What waits is asked for first, so that what begins to run in between is not left out; and
        # by itself, so that a long queue hides nothing that runs.
        waiting, running = [
            await self.processes.find(states=[state], limit=ACTIVE_SHOWN)
            for state in (State.QUEUED, State.RUNNING)
        ]
        records = {record.pk: record for record in (*running.items, *waiting.items)}
        records |= {record.pk: record for record in running.items}
        active = defaultdict(list)
        for record in records.values():
            active[record.target].append(record)
        return active

    async def _row(self, target: Target, active: list[ProcessRecord], last: float) -> TargetRow:
        return TargetRow(
            target,
            await self._newest_image(target.pk),
            formatting.at_most(await self.archive.products.count(target.pk, COUNTED), COUNTED),
            formatting.at_most(await self.processes.count(target.pk, COUNTED), COUNTED),
            active,
            last,
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
