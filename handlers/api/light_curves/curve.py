"""`/api/targets/<pk>/lightcurve/`: the measurements of a target, as JSON in pages or as one file.

Also the import of measurements from a table, and leaving some of them out.
"""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from handlers.api.light_curves import aavso
from handlers.api.light_curves.exports import Export
from handlers.http.body import BodyHandler
from handlers.http.content_headers import download_headers
from handlers.http.query import boolean, choices, integer, parse_pk, text
from handlers.http.streaming import send
from server.archive.light_curves import Curve, TableRead
from server.core.errors import InvalidInput, NotFound
from server.core.records import LARGEST_INTEGER, DataProduct, Target

FORMATS = frozenset({"json", "csv", "aavso"})
MAX_ROWS, DEFAULT_ROWS = 10_000, 1_000
#: More are not imported from one table.
IMPORTED_POINTS = 120_000
#: More points are not left out by one request: a page shows no more.
MOST_LEFT_OUT = 20_000


class Import(msgspec.Struct):
    """Where measurements come from: a data product of the target, a table."""

    product: int


class LeavingOut(msgspec.Struct):
    """Points by their numbers, and whether they are to be left out or taken in again."""

    points: Annotated[
        list[Annotated[int, Meta(ge=1, le=LARGEST_INTEGER)]],
        Meta(min_length=1, max_length=MOST_LEFT_OUT),
    ]
    left_out: bool


class LightCurveHandler(BodyHandler):
    """The light curve of one target."""

    async def get(self, pk: str) -> None:
        """Answer with a page of it, or with all of it for `?format=csv` and `?format=aavso`."""
        target = await self.archive.targets.get(parse_pk(pk))
        formats = choices(self, "format", FORMATS)
        if len(formats) > 1:
            raise InvalidInput.of("format", "One format is expected.")
        before, limit = integer(self, "before", 1), integer(self, "limit", 1, MAX_ROWS)
        if formats in (["csv"], ["aavso"]):
            await self._send_file(target, formats[0])
            return
        page = await self.archive.light_curves.page(
            target.pk,
            before=before,
            limit=limit or DEFAULT_ROWS,
            numbered=boolean(self, "numbers"),
        )
        following = b"null" if page.next is None else b"%d" % page.next
        rows = b",".join(page.rows)
        await self.answer_encoded(b'{"lightcurve":[%b],"next":%b}' % (rows, following))

    async def post(self, pk: str) -> None:
        """Import the measurements of a table, those that the light curve has not yet."""
        target = await self.archive.targets.get(parse_pk(pk))
        product = await self._product(self.json_input(Import).product, target.pk)
        try:
            curve = await self._curve(product)
        except ValueError as error:
            raise InvalidInput.of("product", str(error)) from error
        imported = await self.archive.light_curves.add(product, curve)
        self.audit("light_curve_imported", target_pk=target.pk, product_pk=product.pk)
        self.write_json(
            {
                "imported": imported.new,
                "known": imported.known,
                "quantity": curve.quantity,
                "left_out": curve.left_out,
            }
        )

    async def patch(self, pk: str) -> None:
        """Leave points out, or take them in again."""
        target = await self.archive.targets.get(parse_pk(pk))
        wanted = self.json_input(LeavingOut)
        changed = await self.archive.light_curves.leave_out(
            target.pk, set(wanted.points), wanted.left_out
        )
        self.audit(
            "light_curve_points_changed",
            target_pk=target.pk,
            points=changed,
            left_out=wanted.left_out,
        )
        self.write_json({"changed": changed})

    async def _product(self, pk: int, target: int) -> DataProduct:
        try:
            product = await self.archive.products.get(pk)
        except NotFound as error:
            raise InvalidInput.of("product", f"There is no data product {pk}.") from error
        if product.target != target:
            raise InvalidInput.of("product", f"{product.name} is of another target.")
        return product

    async def _curve(self, product: DataProduct) -> Curve:
        """Return the light curve of a product. Raise ValueError if there is none."""
        async with self.services.preview_cache.workplace() as folder:
            path = await self.archive.products.path(product, folder, whole=True)
            table = folder / f"{secrets.token_hex(8)}.json"
            await self.services.read_light_curve(path, table, IMPORTED_POINTS, True)
            return await asyncio.to_thread(_read, table)

    async def _send_file(self, target: Target, kind: str) -> None:
        export = Export(self.archive.light_curves, target.pk, boolean(self, "left_out"))
        name = f"lightcurve_{target.identifier}"
        if kind == "csv":
            download_headers(self, "text/csv; charset=utf-8", f"{name}.csv")
            await send(self, export.as_csv())
            return
        observer, kinds = text(self, "observer"), frozenset(aavso.OBSERVATION_TYPES)
        if observer is not None and not aavso.OBSERVER.fullmatch(observer):
            raise InvalidInput.of("observer", "An AAVSO observer code is expected, as ABCD.")
        [observation_type] = choices(self, "observation_type", kinds)[:1] or ["CCD"]
        download_headers(self, "text/plain; charset=utf-8", f"{name}_aavso.txt")
        await send(self, export.as_aavso(target.name, observer, observation_type))


def _read(table: Path) -> Curve:
    return msgspec.json.decode(table.read_bytes(), type=TableRead).lightcurve
