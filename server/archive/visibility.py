"""What readers may see of what runs have stored: only what the record of its process names.

So all outputs of a run appear at once, with its end, and those of a lost attempt never do.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from server.core.records import DataProduct, DataProductGroup
from server.store import Store
from server.store.archive.light_curves import LightCurveChunk
from server.store.processes.records import Published


class Visibility:
    """Leaves out what no reader may see yet; uploads and groups made by people stay."""

    def __init__(self, store: Store) -> None:
        self._processes = store.processes
        self._imports = store.imports

    async def products(self, products: Sequence[DataProduct]) -> list[DataProduct]:
        """Return the visible ones of these products, in the same order."""
        named = await self._published({product.process for product in products})
        return [
            product
            for product in products
            if product.process is None
            or (product.process in named and product.pk in named[product.process].outputs)
        ]

    async def groups(self, groups: Sequence[DataProductGroup]) -> list[DataProductGroup]:
        """Return the visible ones of these groups, in the same order."""
        named = await self._published({group.process for group in groups})
        return [
            group
            for group in groups
            if group.process is None
            or (group.process in named and named[group.process].group == group.pk)
        ]

    async def chunks(self, chunks: Sequence[LightCurveChunk]) -> list[LightCurveChunk]:
        """Return the visible ones of these measurements, in the same order."""
        named = await self._published({chunk.process for chunk in chunks})
        series = {published.series for published in named.values()}
        if imported := {chunk.series for chunk in chunks if chunk.process is None}:
            series |= {found.series for found in await self._imports.get_many(imported)}
        return [chunk for chunk in chunks if chunk.series in series]

    async def _published(self, processes: Iterable[int | None]) -> dict[int, Published]:
        pks = [pk for pk in processes if pk is not None]
        return await self._processes.published_by(pks) if pks else {}
