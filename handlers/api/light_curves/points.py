"""`/api/targets/<pk>/lightcurve/points/<number>/`: one point of a light curve, and its origin."""

from __future__ import annotations

from typing import Any

from handlers.http.base import BaseHandler
from handlers.http.query import parse_pk
from server.archive.light_curves.origin import Origin
from server.core.records import DataProduct, ProcessRecord


class PointHandler(BaseHandler):
    """One point, with the run or the table that it is from, and its frame where it is known."""

    async def get(self, pk: str, number: str) -> None:
        """Answer with the point."""
        target = await self.archive.targets.get(parse_pk(pk))
        row = await self.archive.light_curves.point(target.pk, parse_pk(number))
        origin = await self.archive.origins.of(row)
        await self.answer({"point": row, "origin": self._fields(origin)})

    def _fields(self, origin: Origin) -> dict[str, Any]:
        return {
            "process": self._process(origin.process),
            "table": self._product(origin.table),
            "frame": self._product(origin.frame),
            "by": origin.by,
            "reason": origin.reason,
        }

    def _process(self, process: ProcessRecord | None) -> dict[str, Any] | None:
        if process is None:
            return None
        url = f"{self.prefix}/processes/{process.pk}"
        return {"pk": process.pk, "identifier": process.identifier, "url": url}

    def _product(self, product: DataProduct | None) -> dict[str, Any] | None:
        if product is None:
            return None
        url = f"{self.prefix}/dataproducts/{product.pk}/"
        return {"pk": product.pk, "name": product.name, "url": url}
