"""The page of a process: its log, live, and its facts."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any, NamedTuple

from tornado.routing import URLSpec

from handlers.http.query import PK
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.pages.predecessor.redirects import found_or_led_on
from handlers.pages.processes.stage import output_groups, stage_of
from handlers.services import Services
from handlers.sharing.views import OfProcess, shown_by_group
from server.core.errors import DamagedFile, NotFound
from server.core.records import Flag, ProcessRecord, State, Target

log = logging.getLogger(__name__)

#: How many inputs and outputs the page lists.
PRODUCTS_SHOWN = 100
#: How long the page waits to learn whether a run shows a picture.
PICTURE_SECONDS = 0.3
#: How many lines of the log come with the page: as many as a tall screen holds.
LINES_SHOWN = 60


class Card(NamedTuple):
    """What other sites show of a link: a title, a sentence and, if there is one, a picture."""

    title: str
    description: str
    url: str
    image: str | None
    alt: str


class ProcessPage(OfProcess, Page):
    """`/processes/<pk>` and `/pipeline/<pk>`: the log, live, and the facts."""

    async def get(self, pk: str) -> None:
        """Show the process. Raise NotFound at the second address unless it is a pipeline's."""
        get = self.processes.get
        record = await found_or_led_on(self, "processes", pk, get, _address)
        if record is None:
            return
        if self.request.path.startswith("/pipeline/") and record.view_url is None:
            await self._lead_to_timelapse(record)
            return
        await self.show_process(record)

    async def _lead_to_timelapse(self, record: ProcessRecord) -> None:
        """Redirect where another site had the page of a timelapse. Raise NotFound otherwise."""
        if self.guest or not await self.archive.old_urls.has_kept("processes", record.pk):
            raise NotFound("pipeline process", record.pk)
        self.redirect(_address(record), permanent=True)

    async def show_process(self, record: ProcessRecord) -> None:
        """Show a process with its log and facts."""
        inputs, outputs = await self._products(record)
        live = await self._shows_picture(record)
        listed = [each for each in outputs if each["pk"] in record.outputs[:PRODUCTS_SHOWN]]
        stage = stage_of(record, outputs, curves=not self.guest, live=live)
        target = await self.archive.targets.get(record.target)
        flags = self._flags(record)
        lines, failure, unreadable = await self._read_log(record)
        self.show(
            "pages/processes/process.html",
            process=self.process_fields(record),
            target=target,
            card=self.card(record, target, outputs),
            inputs=inputs,
            more_inputs=max(0, len(record.products) - PRODUCTS_SHOWN),
            outputs=listed,
            output_groups=output_groups(listed),
            more_outputs=max(0, len(record.outputs) - PRODUCTS_SHOWN),
            stage=stage,
            picture_url=self.picture_url,
            earlier=await self._earlier(record),
            group_shown=await self._group_shown(record),
            flags=flags,
            lines=lines,
            filtered=self._filtered,
            failure=failure,
            unreadable=unreadable,
            sections=await self.processes.sections(record.pk),
            shared_until=None if self.link is None else self.link.expires,
            log_stored_bytes=await self._log_stored_bytes(record),
            log_removed=record.log_removed,
        )

    def card(
        self, record: ProcessRecord, target: Target, outputs: list[dict[str, Any]]
    ) -> Card | None:
        """Return what other sites show of a link to the page, None where it is for users alone."""
        return None

    @property
    def _filtered(self) -> bool:
        """Whether the address asks for some lines only, which the page's script then finds."""
        return bool(self.get_query_argument("level", "") or self.get_query_argument("only", ""))

    async def _products(
        self, record: ProcessRecord
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return the inputs and the outputs to show; those that were deleted are left out."""
        inputs, outputs = record.products[:PRODUCTS_SHOWN], record.outputs[:PRODUCTS_SHOWN]
        main = record.main_output
        if isinstance(main, int) and main not in outputs:
            outputs = [*outputs, main]
        products = await self.archive.products.get_many(list(dict.fromkeys([*inputs, *outputs])))
        fields = {each["pk"]: each for each in await self.archive.products.fields(products)}
        return _present(fields, inputs), _present(fields, outputs)

    async def _shows_picture(self, record: ProcessRecord) -> bool:
        """Return whether the run shows a picture of its work; one that is far away may be slow."""
        if record.state is not State.RUNNING or record.process_type == "timelapse":
            return False  # a film is shown whether there is a frame by now or not
        try:
            async with asyncio.timeout(PICTURE_SECONDS):
                return await self.services.live_preview(record, None) is not None
        except TimeoutError:
            return False

    async def _earlier(self, record: ProcessRecord) -> ProcessRecord | None:
        """Return the run before of the same pipeline on the same target, to compare it with."""
        if self.guest or not record.state.ended:
            return None
        before = await self.processes.find(
            target=record.target,
            pipelines=[record.pipeline],
            states=[State.SUCCEEDED],
            before=record.pk,
            limit=1,
        )
        return next(iter(before.items), None)

    async def _group_shown(self, record: ProcessRecord) -> int | None:
        """Return the group of outputs to link to: a guest sees it if nothing else is in it."""
        if self.guest and record.group is not None:
            try:
                await shown_by_group(self.archive, record.group)
            except NotFound:
                return None
        return record.group

    async def _log_stored_bytes(self, record: ProcessRecord) -> int:
        """Return what the log takes on disk once it has ended; until then that is not shown."""
        return await self.processes.log_stored_bytes(record.pk) if record.state.ended else 0

    async def _read_log(self, record: ProcessRecord) -> tuple[list[list[Any]], Any, bool]:
        """Return the last lines, why the process failed, and whether the log cannot be read.

        Without its log, there is still the record with all its outputs to see.
        """
        try:
            lines = [] if self._filtered else await self._last_lines(record)
            return lines, await self.processes.failure(record), False
        except DamagedFile:
            await self.processes.get(record.pk)  # perhaps it was deleted
            log.exception(
                "The log of process %s cannot be read",
                record.pk,
                extra={"action": "log_unreadable", "process_pk": record.pk},
            )
            return [], None, True

    async def _last_lines(self, record: ProcessRecord) -> list[list[Any]]:
        after = max(0, record.log_lines - LINES_SHOWN)
        page = await self.processes.log_reader.lines(record, after, LINES_SHOWN)
        lines: list[list[Any]] = json.loads(b"[%b]" % b",".join(page.entries))
        seen = self.processes.log_reader.seen
        return [[*line[:3], seen(line[3]), *line[4:]] for line in lines]

    def _flags(self, record: ProcessRecord) -> dict[str, Flag]:
        pipeline = self.processes.pipelines.get(record.pipeline)
        return {} if pipeline is None else pipeline.flags


def _address(record: ProcessRecord) -> str:
    return record.view_url or f"/processes/{record.pk}"


def _present(fields: dict[int, dict[str, Any]], pks: list[int]) -> list[dict[str, Any]]:
    return [fields[pk] for pk in pks if pk in fields]


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page, at either of its addresses."""
    return [route(rf"/(?:processes|pipeline)/{PK}", ProcessPage, services)]
