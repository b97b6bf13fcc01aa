"""`/api/dataproducts/<pk>/table/`: what a table holds, and the light curve in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from handlers.files.previews import DrawnHandler
from handlers.http.query import parse_pk
from handlers.sharing.views import OfProduct
from server.core.errors import InvalidInput

#: More cannot be told apart in a plot.
PLOTTED_POINTS = 20_000
#: Changes when tables are read in another way, so that what is kept of them is read anew.
READING = 1


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
