"""`/targets/<pk>/data/`: the form of tom_education that runs pipelines, and photometry as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import urlencode

from tornado.routing import URLSpec

from handlers.http.content_headers import download_headers
from handlers.http.error_responses import error_response_of
from handlers.http.query import PK, parse_pk
from handlers.http.routing import route
from handlers.http.streaming import each, send
from handlers.pages.base import Page
from handlers.pages.predecessor.forms import OldForm, ticked
from handlers.pages.predecessor.redirects import found_or_led_on
from handlers.services import Services
from server.archive.light_curves import Row
from server.core.errors import InvalidInput
from server.core.records import PipelineDescription, Target

FLAG = "pipeline_flag_"
#: So many measurements are sorted by time; more are sent as they are stored, the newest run first.
MOST_SORTED = 200_000
#: The Unix epoch as a Modified Julian Date.
EPOCH_MJD = 40_587
#: What a double tells of a time in MJD.
PLACES_OF_SECONDS = 5


class TargetData(OldForm):
    """The page of a target's data, and the form on it."""

    async def get(self, pk: str) -> None:
        """Redirect to the page of the target."""
        archive = self.archive
        target = await found_or_led_on(self, "target", pk, archive.targets.get, _data_page)
        if target is not None:
            self.redirect(f"/targets/{target.pk}/")

    async def post(self, pk: str) -> None:
        """Do what the form asks for with the data products that it names."""
        target = await self.archive.targets.get(parse_pk(pk))
        try:
            await self._act(target, self.fields)
        except InvalidInput as error:
            self._refuse(error_response_of(error).sentence)

    async def _act(self, target: Target, fields: dict[str, str]) -> None:
        chosen = await self._chosen(target, fields)
        action = fields.get("action", "")
        if not chosen:
            self._refuse("No data product selected")
        elif action == "pipeline":
            await self._submit(target, chosen, fields)
        elif action == "view_gallery":
            self._go_on("/gallery/", chosen)
        elif action == "delete":
            self._go_on("/dataproducts/deletemultiple/", chosen)
        else:
            self._refuse(f"Invalid action '{action}'")

    async def _chosen(self, target: Target, fields: dict[str, str]) -> list[int]:
        """Return the target's data products that are ticked; others are not on its form."""
        products = await self.archive.products.get_many(ticked(fields))
        return [product.pk for product in products if product.target == target.pk]

    async def _submit(self, target: Target, products: list[int], fields: dict[str, str]) -> None:
        name = fields.get("pipeline_name")
        if name is None:
            return self._refuse("No pipeline_name given")
        pipeline = self.processes.pipelines.get(name)
        if pipeline is None:
            return self._refuse(f"Invalid pipeline name '{name}'")
        record, _ = await self.processes.submit(
            target.pk,
            name,
            products,
            _flags(pipeline, fields),
            None,
            submitted_by=self.caller.name,
        )
        self.audit("process_submitted", process_pk=record.pk, target_pk=record.target)
        self.write_json({"ok": True})

    def _go_on(self, path: str, products: Sequence[int]) -> None:
        query = urlencode({"product_pks": ",".join(map(str, products))})
        self.redirect(f"{path}?{query}", status=302)

    def _refuse(self, sentence: str) -> None:
        self.set_status(400)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.write(sentence)


class Photometry(Page):
    """`/targets/<pk>/data/download/`: the magnitudes of a target, a line each, without a header."""

    async def get(self, pk: str) -> None:
        """Send time (ISO 8601, UTC), magnitude and error, by time."""
        archive = self.archive
        target = await found_or_led_on(self, "target", pk, archive.targets.get, _download)
        if target is None:
            return
        name = target.name.replace(" ", "_").replace(".", "_")
        download_headers(self, "text/csv", f"{name}.csv")
        await send(self, await self._lines(target.pk))

    async def _lines(self, target: int) -> AsyncIterator[bytes]:
        rows: list[Row] = []
        pages = self.archive.light_curves.all(target)
        async for page in pages:
            rows += page
            if len(rows) > MOST_SORTED:
                return _as_stored(rows, pages)
        return each(await asyncio.to_thread(_sorted, rows))


def _flags(pipeline: PipelineDescription, fields: dict[str, str]) -> dict[str, bool]:
    """Return all flags: those whose key was sent are true, whatever its value; none by default."""
    return {name: f"{FLAG}{name}" in fields for name in pipeline.flags}


def _data_page(target: Target) -> str:
    return f"/targets/{target.pk}/"


def _download(target: Target) -> str:
    return f"/targets/{target.pk}/data/download/"


def _sorted(rows: list[Row]) -> list[bytes]:
    return [_table(sorted(rows, key=lambda row: row.time))]


async def _as_stored(first: list[Row], rest: AsyncIterator[list[Row]]) -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(_table, first)
    async for rows in rest:
        yield _table(rows)


def _table(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(_cells(rows))
    return text.getvalue().encode()


def _cells(rows: Sequence[Row]) -> Iterator[tuple[str, float, float | None]]:
    """Yield the cells of those rows that have a magnitude, not a flux or a limit."""
    for row in rows:
        if row.magnitude is not None and row.limit is not True:
            yield _iso(row.time), row.magnitude, row.error


def _iso(mjd: float) -> str:
    seconds = round((mjd - EPOCH_MJD) * 86_400, PLACES_OF_SECONDS)
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # before the year 1, or after 9999
        return f"MJD {mjd}"


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the old form and of the photometry."""
    return [
        route(rf"/targets/{PK}/data/", TargetData, services),
        route(rf"/targets/{PK}/data/download/", Photometry, services),
    ]
