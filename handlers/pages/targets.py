"""The page of all targets, the first that a visitor sees."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass
from urllib.parse import urlencode

from tornado.routing import URLSpec

from handlers.http.query import text
from handlers.pages import formatting
from handlers.pages.base import Page, has_preview
from handlers.services import Services
from server.core.records import ProcessRecord, State, Target

#: How much of a list the page shows at first.
TARGETS_SHOWN = 50


#: How many data products are looked at for the newest image, at first and then.
IMAGES_LOOKED_FOR = (5, 100)


#: How far the list of targets counts what each has.
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
        search = text(self, "search") or ""
        before = self.cursor("before")
        page = await self.archive.targets.find(
            before=before, limit=TARGETS_SHOWN, search=search or None
        )
        rows = await self._rows(page.items)
        query = {"before": page.next} | ({"search": search} if search else {})
        next_url = f"/?{urlencode(query)}" if page.next else None
        self.show(
            "pages/targets.html",
            rows=rows,
            search=search,
            paged=before is not None,
            next_url=next_url,
            target=None,
        )

    async def _rows(self, targets: list[Target]) -> list[TargetRow]:
        unended = [State.QUEUED, State.RUNNING]
        page = await self.processes.find(states=unended, limit=1000)
        active = defaultdict(list)
        for record in page.items:
            active[record.target].append(record)
        return await asyncio.gather(*(self._row(target, active[target.pk]) for target in targets))

    async def _row(self, target: Target, active: list[ProcessRecord]) -> TargetRow:
        return TargetRow(
            target,
            await self._newest_image(target.pk),
            formatting.at_most(await self.archive.products.count(target.pk, COUNTED), COUNTED),
            formatting.at_most(await self.processes.count(target.pk, COUNTED), COUNTED),
            active,
        )

    async def _newest_image(self, target: int) -> int | None:
        # Mostly it is among the first few; tables that a run has made may lie before it.
        before = None
        for count in IMAGES_LOOKED_FOR:
            page = await self.archive.products.find(target, before=before, limit=count)
            for product in page.items:
                if has_preview({"fits": product.fits, "name": product.name}):
                    return product.pk
            before = page.next
            if before is None:
                break
        return None


def routes(services: Services) -> list[URLSpec]:
    """The list of targets."""
    return [URLSpec(r"/", TargetsPage, {"services": services})]
