"""Where a point of a light curve comes from: its run or its table, and the frame where it is known.

A run may name the file of each measurement. Where it does not, the frame is the one input of the
run that was being exposed at that time, if there is exactly one: clocks and barycentric times leave
no more certainty than that, so `by` says how it was found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from server.archive.light_curves import Row
from server.archive.products import DataProducts
from server.core.records import DataProduct, ProcessRecord
from server.store import Store

_UNIX_EPOCH_MJD = 40_587.0
_DAY_SECONDS = 86_400.0
#: Headers and tables round their times.
TOLERANCE_SECONDS = 1.0


@dataclass(frozen=True)
class Origin:
    """What is known of where a point comes from; `reason` says why its frame is not known."""

    process: ProcessRecord | None = None
    table: DataProduct | None = None
    frame: DataProduct | None = None
    by: Literal["name", "time"] | None = None
    reason: str | None = None


class Origins:
    """Finds where points come from."""

    def __init__(self, store: Store, products: DataProducts) -> None:
        self._processes = store.processes
        self._products = products

    async def of(self, row: Row) -> Origin:
        """Return where a point comes from."""
        if row.process is None:
            tables = await self._products.get_many([row.product] if row.product else [])
            reason = "It was imported from a table, which names no frame of this server."
            return Origin(table=tables[0] if tables else None, reason=reason)
        for process in await self._processes.get_many([row.process]):
            return await self._of_run(row, process)
        return Origin(reason="Its run was deleted.")

    async def _of_run(self, row: Row, process: ProcessRecord) -> Origin:
        if isinstance(row.frame, int):
            for frame in await self._products.get_many([row.frame]):
                return Origin(process, frame=frame, by="name")
            return Origin(process, reason="The frame that it was measured on was deleted.")
        inputs = await self._products.get_many(process.products)
        exposed = _exposed_at(row.time, inputs)
        if len(exposed) == 1:
            return Origin(process, frame=exposed[0], by="time")
        return Origin(process, reason=_reason(inputs, exposed))


def _exposed_at(time: float, frames: Sequence[DataProduct]) -> list[DataProduct]:
    """Return the frames that were being exposed at a time in MJD."""
    instant = (time - _UNIX_EPOCH_MJD) * _DAY_SECONDS
    return [frame for frame in frames if _is_exposed(frame, instant)]


def _is_exposed(frame: DataProduct, instant: float) -> bool:
    facts = frame.facts or {}
    start, exposure = facts.get("date"), facts.get("exposure") or 0.0
    if start is None:
        return False
    return bool(start - TOLERANCE_SECONDS <= instant <= start + exposure + TOLERANCE_SECONDS)


def _reason(inputs: Sequence[DataProduct], exposed: Sequence[DataProduct]) -> str:
    if not inputs:
        return "The files that its run measured were deleted."
    if exposed:
        return f"{len(exposed)} frames of its run were being exposed at that time."
    if not any((frame.facts or {}).get("date") for frame in inputs):
        return "The files that its run measured have no date, and the run names none."
    return "No frame of its run was being exposed at that time, and the run names none."
