"""`/api/targets/<pk>/lightcurve/`: the measurements of a target, as JSON in pages or as one CSV.

Also the import of measurements from a table, and `/api/dataproducts/<pk>/table/`, what it holds.
"""

from __future__ import annotations

import asyncio
import csv
import io
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
from tornado.routing import URLSpec

from handlers.files.previews import DrawnHandler
from handlers.http.body import BodyHandler
from handlers.http.content_headers import download_headers
from handlers.http.query import PK, choices, integer, parse_pk
from handlers.http.routing import route
from handlers.http.streaming import send
from handlers.services import Services
from handlers.sharing.views import OfProduct
from server.archive.light_curves import Curve, Row, TableRead
from server.core.errors import InvalidInput, NotFound
from server.core.records import DataProduct

FORMATS = frozenset({"json", "csv"})
COLUMNS = ("time", "magnitude", "error", "filter", "process")
#: These are there if rows of the target were imported.
IMPORTED_COLUMNS = (*COLUMNS, "product", "flux", "limit")
MAX_ROWS, DEFAULT_ROWS = 10_000, 1_000
#: More cannot be told apart in a plot, and more are not imported from one table.
PLOTTED_POINTS, IMPORTED_POINTS = 20_000, 120_000
#: Changes when tables are read in another way, so that what is kept of them is read anew.
READING = 1


class Import(msgspec.Struct):
    """Where measurements come from: a data product of the target, a table."""

    product: int


class LightCurveHandler(BodyHandler):
    """The light curve of one target."""

    async def get(self, pk: str) -> None:
        """Answer with a page of it, or with all of it for `?format=csv`."""
        target = await self.archive.targets.get(parse_pk(pk))
        formats = choices(self, "format", FORMATS)
        if len(formats) > 1:
            raise InvalidInput.of("format", "One format is expected.")
        before, limit = integer(self, "before", 1), integer(self, "limit", 1, MAX_ROWS)
        if formats == ["csv"]:
            await self._send_csv(target.pk, target.identifier)
            return
        page = await self.archive.light_curves.page(
            target.pk, before=before, limit=limit or DEFAULT_ROWS
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

    async def _send_csv(self, target: int, identifier: str) -> None:
        download_headers(self, "text/csv; charset=utf-8", f"lightcurve_{identifier}.csv")
        imports = await self.archive.light_curves.has_imports(target)
        await send(self, self._lines(target, IMPORTED_COLUMNS if imports else COLUMNS))

    async def _lines(self, target: int, columns: Sequence[str]) -> AsyncIterator[bytes]:
        yield _table([columns])
        async for rows in self.archive.light_curves.all(target):
            if rows:
                yield _table([[_cell(row, name) for name in columns] for row in rows])


class TableHandler(OfProduct, DrawnHandler):
    """A table of any kind: its columns, its first rows, and the light curve in it."""

    async def get(self, pk: str) -> None:
        """Answer with the table, or with the reason why there is none."""
        product = await self.archive.products.get(parse_pk(pk))

        async def read(source: Path, table: Path) -> None:
            await self.services.read_light_curve(source, table, PLOTTED_POINTS, False)

        self.set_header("Content-Type", "application/json; charset=utf-8")
        try:
            await self.send_drawn(product, f"{product.sha256}-table-{READING}.json", read)
        except InvalidInput as error:
            self.clear_header("Etag")
            none: dict[str, Any] = {
                "columns": [],
                "rows": [],
                "lightcurve": None,
                "reason": error.detail,
            }
            await self.answer(none)


def _read(table: Path) -> Curve:
    return msgspec.json.decode(table.read_bytes(), type=TableRead).lightcurve


def _cell(row: Row, name: str) -> Any:
    value = getattr(row, name)
    return None if value is msgspec.UNSET else value


def _table(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the light curves and of tables."""
    return [
        route(rf"/api/targets/{PK}/lightcurve/", LightCurveHandler, services),
        route(rf"/api/dataproducts/{PK}/table/", TableHandler, services),
    ]
