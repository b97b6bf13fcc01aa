"""The web pages, drawn with real content before any script runs.

What happens afterwards (live states, uploads, the growing log) is the scripts' part, in `static/`.
The pages of data products are in `product_pages`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import msgspec

from handlers import wording
from handlers.base import PageHandler
from handlers.compressed import compressed
from handlers.query import PK, pk_of, text
from server.errors import NotFound
from server.records import DataProduct, ProcessRecord, State, Target

#: How much of a list a page shows at first.
TARGETS_SHOWN, PROCESSES_SHOWN, PRODUCTS_SHOWN, INPUTS_SHOWN = 50, 8, 100, 100
#: How many data products are looked at for the newest image, at first and then.
IMAGES_LOOKED_FOR = (5, 100)
#: How far the list of targets counts what each has.
COUNTED = 200
#: Lines of a log in the first paint: as many as a tall screen holds.
LINES_SHOWN = 60
#: Besides FITS images, the server makes thumbnails of these.
PREVIEWED_SUFFIXES = (".png", ".jpg", ".jpeg")
TEXT_SUFFIXES = (".txt", ".log", ".csv", ".tsv", ".json", ".md", ".yml", ".psx")

#: Stands where a script will put a new process's facts.
BLANK_PROCESS: dict[str, Any] = {
    "pk": "",
    "identifier": "",
    "created": 0.0,
    "status": "",
    "terminal_timestamp": None,
    "failure_message": None,
    "view_url": "#",
    "pipeline": "",
    "state": "queued",
    "progress": None,
    "started": None,
    "group": None,
    "waiting_for": None,
    "attempt": 0,
    "stopping": False,
}


@dataclass(frozen=True)
class TargetRow:
    """A target in the list: its newest image's PK, how much it has, and what has not ended."""

    target: Target
    newest: int | None
    products: str
    processes: str
    active: list[ProcessRecord]


def has_preview(product: dict[str, Any]) -> bool:
    """Whether the server can draw a thumbnail of this data product."""
    if product["fits"]:
        return bool(product["fits"]["width"])
    return bool(product["name"].lower().endswith(PREVIEWED_SUFFIXES))


def look_of(product: dict[str, Any]) -> str:
    """How a page shows a data product."""
    kind, name = product["content_type"], product["name"].lower()
    if kind in ("video/webm", "video/mp4"):
        return "video"
    if kind in ("image/gif", "image/png", "image/jpeg"):
        return "image"
    if has_preview(product):
        return "preview"
    return "text" if name.endswith(TEXT_SUFFIXES) else "file"


def json_text(value: Any) -> str:
    """A value for a `data-` attribute; the template escapes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


class Page(PageHandler):
    """A page: its template gets the words it needs and the present time."""

    def facts(self, record: ProcessRecord) -> dict[str, Any]:
        """The contract's record of a process as plain values, and whether it is being stopped."""
        fields: dict[str, Any] = msgspec.to_builtins(self.processes.fields(record))
        stopping = record.cancel_requested and not record.state.ended
        return fields | {"stopping": stopping}

    def show(self, template: str, **content: Any) -> None:
        """Draw the template with this content."""
        page = self.render_string(
            template,
            wording=wording,
            json_text=json_text,
            has_preview=has_preview,
            look_of=look_of,
            now=time.time(),
            **content,
        )
        self.set_header("Vary", self.vary)
        self.finish(compressed(self, page))


class TargetsPage(Page):
    """`/`: the targets, newest first, and a form for another one."""

    async def get(self) -> None:
        search = text(self, "search") or ""
        before = self.cursor("before")
        page = await self.archive.targets(before, TARGETS_SHOWN, search or None)
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
        page = await self.processes.find(None, None, unended, None, 1000)
        active = defaultdict(list)
        for record in page.items:
            active[record.target].append(record)
        return await asyncio.gather(*(self._row(target, active[target.pk]) for target in targets))

    async def _row(self, target: Target, active: list[ProcessRecord]) -> TargetRow:
        return TargetRow(
            target,
            await self._newest_image(target.pk),
            wording.at_most(await self.archive.count_products(target.pk, COUNTED), COUNTED),
            wording.at_most(await self.processes.count(target.pk, COUNTED), COUNTED),
            active,
        )

    async def _newest_image(self, target: int) -> int | None:
        # Mostly it is among the first few; tables that a run has made may lie before it.
        before = None
        for count in IMAGES_LOOKED_FOR:
            page = await self.archive.products(target, before, count)
            for product in page.items:
                if has_preview({"fits": product.fits, "name": product.name}):
                    return product.pk
            before = page.next
            if before is None:
                break
        return None


class TargetPage(Page):
    """`/targets/<pk>/`: one target's processes and data products, and a pipeline to run."""

    async def get(self, pk: str) -> None:
        target = await self.archive.target(pk_of(pk))
        products = await self.archive.products(target.pk, self.cursor("before"), PRODUCTS_SHOWN)
        processes = await self.processes.find(target.pk, None, None, None, PROCESSES_SHOWN)
        self.show(
            "pages/target.html",
            target=target,
            products=await self.archive.product_fields(products.items),
            older_products=products.next,
            processes=[self.facts(record) for record in processes.items],
            older=processes.next,
            pipelines=self.processes.pipelines(),
            blank=BLANK_PROCESS,
        )


class ProcessPage(Page):
    """`/processes/<pk>` and `/pipeline/<pk>`: the log, live, and the facts."""

    async def get(self, pk: str) -> None:
        record = await self.processes.get(pk_of(pk))
        if self.request.path.startswith("/pipeline/") and record.view_url is None:
            raise NotFound("pipeline process", pk)
        process = self.facts(record)
        inputs = await self._products(record.products[:INPUTS_SHOWN])
        flags = self._flags(record)
        self.show(
            "pages/process.html",
            process=process,
            target=await self.archive.target(record.target),
            inputs=inputs,
            more_inputs=max(0, len(record.products) - INPUTS_SHOWN),
            outputs=await self._products(record.outputs[:INPUTS_SHOWN]),
            flags=flags,
            flag_names={name: flag.long_name for name, flag in flags.items()},
            lines=await self._last_lines(record),
            sections=await self.processes.sections(record.pk),
        )

    async def _products(self, pks: list[int]) -> list[dict[str, Any]]:
        return await self.archive.product_fields(await self._existing(pks))

    async def _existing(self, pks: list[int]) -> list[DataProduct]:
        found = await asyncio.gather(
            *(self.archive.product(pk) for pk in pks), return_exceptions=True
        )
        return [product for product in found if isinstance(product, DataProduct)]

    async def _last_lines(self, record: ProcessRecord) -> list[list[Any]]:
        after = max(0, record.log_lines - LINES_SHOWN)
        page = await self.processes.lines(record.pk, after, LINES_SHOWN)
        lines: list[list[Any]] = json.loads(b"[%b]" % b",".join(page.entries))
        return lines

    def _flags(self, record: ProcessRecord) -> dict[str, Any]:
        for pipeline in self.processes.pipelines():
            if pipeline.name == record.pipeline:
                return dict(pipeline.flags)
        return {}


routes = [
    (r"/", TargetsPage),
    (rf"/targets/{PK}/", TargetPage),
    (rf"/(?:processes|pipeline)/{PK}", ProcessPage),
]
