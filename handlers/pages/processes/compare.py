"""`/processes/<pk>/compare/<other>/`: two runs side by side, and what differs between them."""

from __future__ import annotations

import asyncio

from tornado.routing import URLSpec

from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.pages.processes.differences import differences
from handlers.pages.processes.stage import Stage, stage_of
from handlers.services import Services
from server.core.records import Flag, ProcessRecord

#: How many runs of the same pipeline are offered to compare with.
RUNS_OFFERED = 50
#: How many outputs are looked at for something to show.
OUTPUTS_LOOKED_AT = 100


class ComparePage(Page):
    """Two runs. Links to one process do not lead here."""

    async def get(self, pk: str, other_pk: str) -> None:
        """Show both."""
        records = [await self.processes.get(parse_pk(each)) for each in (pk, other_pk)]
        one, other = await asyncio.gather(*(self.processes.receipt(each.pk) for each in records))
        target = await self.archive.targets.get(records[0].target)
        self.show(
            "pages/processes/compare.html",
            target=target,
            processes=[self.process_fields(each) for each in records],
            stages=[await self._stage(each) for each in records],
            receipts=(one, other),
            differences=differences(one, other, self._flags(records)),
            offered=await self._offered(records[0]),
            picture_url=self.picture_url,
        )

    async def _stage(self, record: ProcessRecord) -> Stage | None:
        pks = list(record.outputs[:OUTPUTS_LOOKED_AT])
        if isinstance(record.main_output, int) and record.main_output not in pks:
            pks.append(record.main_output)
        products = await self.archive.products.get_many(pks)
        outputs = await self.archive.products.fields(products)
        return stage_of(record, outputs, curves=True, live=False)

    async def _offered(self, record: ProcessRecord) -> list[ProcessRecord]:
        """Return the newest runs of the same pipeline on the same target, but for this one."""
        page = await self.processes.find(
            target=record.target, pipelines=[record.pipeline], limit=RUNS_OFFERED
        )
        return [each for each in page.items if each.pk != record.pk]

    def _flags(self, records: list[ProcessRecord]) -> dict[str, Flag]:
        known: dict[str, Flag] = {}
        for record in records:
            if (pipeline := self.processes.pipelines.get(record.pipeline)) is not None:
                known |= pipeline.flags
        return known


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page."""
    return [route(rf"/processes/{PK}/compare/{PK}/", ComparePage, services)]
