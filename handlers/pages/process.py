"""The page of a process: its log, live, and its facts."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from tornado.routing import URLSpec

from handlers.http.query import PK, parse_pk
from handlers.pages.base import Page
from handlers.services import Services
from server.core.errors import NotFound
from server.core.records import DataProduct, ProcessRecord

#: Inputs and outputs in the first paint.
INPUTS_SHOWN = 100


#: Lines of a log in the first paint: as many as a tall screen holds.
LINES_SHOWN = 60


class ProcessPage(Page):
    """`/processes/<pk>` and `/pipeline/<pk>`: the log, live, and the facts."""

    async def get(self, pk: str) -> None:
        record = await self.processes.get(parse_pk(pk))
        if self.request.path.startswith("/pipeline/") and record.view_url is None:
            raise NotFound("pipeline process", pk)
        process = self.facts(record)
        inputs = await self._products(record.products[:INPUTS_SHOWN])
        flags = self._flags(record)
        self.show(
            "pages/process.html",
            process=process,
            target=await self.archive.targets.get(record.target),
            inputs=inputs,
            more_inputs=max(0, len(record.products) - INPUTS_SHOWN),
            outputs=await self._products(record.outputs[:INPUTS_SHOWN]),
            flags=flags,
            flag_names={name: flag.long_name for name, flag in flags.items()},
            lines=await self._last_lines(record),
            sections=await self.processes.sections(record.pk),
        )

    async def _products(self, pks: list[int]) -> list[dict[str, Any]]:
        return await self.archive.products.fields(await self._existing(pks))

    async def _existing(self, pks: list[int]) -> list[DataProduct]:
        found = await asyncio.gather(
            *(self.archive.products.get(pk) for pk in pks), return_exceptions=True
        )
        return [product for product in found if isinstance(product, DataProduct)]

    async def _last_lines(self, record: ProcessRecord) -> list[list[Any]]:
        after = max(0, record.log_lines - LINES_SHOWN)
        page = await self.processes.log_reader.lines(record, after, LINES_SHOWN)
        lines: list[list[Any]] = json.loads(b"[%b]" % b",".join(page.entries))
        return lines

    def _flags(self, record: ProcessRecord) -> dict[str, Any]:
        for pipeline in self.processes.pipelines.values():
            if pipeline.name == record.pipeline:
                return dict(pipeline.flags)
        return {}


def routes(services: Services) -> list[URLSpec]:
    """The page of a process, by either of its addresses."""
    return [URLSpec(rf"/(?:processes|pipeline)/{PK}", ProcessPage, {"services": services})]
