"""`/api/targets/<pk>/lightcurve/periodogram/`: a search for the period of a light curve.

It is made in a child process, within limits on points, frequencies, memory and time, one after the
other; for a client that goes it is stopped.
"""

from __future__ import annotations

import asyncio
import math
import re
from typing import Any

import msgspec

from handlers.http.abandonment import AbandonableHandler
from handlers.http.query import MAX_TEXT, boolean, choices, parse_pk, text
from server.archive.light_curves import Row
from server.core.errors import InvalidInput, NotExamined

#: More are not searched at a time.
MOST_POINTS = 100_000
#: Searches that go on or wait, on this server.
MOST_SEARCHES = 8
QUANTITIES = frozenset({"magnitude", "flux"})
#: Days as people write them.
DAYS = re.compile(r"[0-9]{0,9}\.?[0-9]{1,15}([eE][+-]?[0-9]{1,2})?", re.ASCII)
#: Shorter than any exposure, longer than any light curve.
LEAST_DAYS, MOST_DAYS = 1e-6, 1e6

_encode = msgspec.json.Encoder().encode


class PeriodogramHandler(AbandonableHandler):
    """A Lomb-Scargle periodogram of the points that are not left out, and its highest peaks."""

    _searches = 0

    async def get(self, pk: str) -> None:
        """Answer with the periodogram. Without a `filter`, all are taken together."""
        target = await self.archive.targets.get(parse_pk(pk))
        wanted = {"minimum": _days(self, "minimum"), "maximum": _days(self, "maximum")}
        if (wanted["minimum"] or 0) >= (wanted["maximum"] or math.inf):
            raise InvalidInput.of("maximum", "The longest period must be over the shortest one.")
        if PeriodogramHandler._searches >= MOST_SEARCHES:
            raise NotExamined("Too many searches for periods are waiting, try again later")
        PeriodogramHandler._searches += 1
        try:
            found = await self.while_wanted(self._search(target.pk, wanted))
        finally:
            PeriodogramHandler._searches -= 1
        if found is not None:
            await self.answer_encoded(found)

    async def _search(self, target: int, wanted: dict[str, float | None]) -> bytes:
        points = await self._points(target)
        async with self.services.preview_cache.workplace() as folder:
            given, found = folder / "points.json", folder / "periodogram.json"
            await asyncio.to_thread(lambda: given.write_bytes(_encode(points)))
            await self.services.search_period(given, found, wanted)
            return await asyncio.to_thread(found.read_bytes)

    async def _points(self, target: int) -> dict[str, list[Any]]:
        """Return the detections that are asked for. Raise InvalidInput if they are too many."""
        quantity = (choices(self, "quantity", QUANTITIES) or ["magnitude"])[0]
        given = self.request.query_arguments.get("filter")
        only = (text(self, "filter") or "")[:MAX_TEXT]
        points: dict[str, list[Any]] = {"time": [], "value": [], "error": [], "filter": []}
        with_left_out = boolean(self, "left_out")
        async for rows in self.archive.light_curves.all(target, left_out=with_left_out):
            for row in rows:
                if given is None or (row.filter or "") == only:
                    _add(points, row, quantity)
            if len(points["time"]) > MOST_POINTS:
                raise InvalidInput(
                    detail=f"Over {MOST_POINTS:,} points are too many for a search: choose one "
                    "filter, or leave points out."
                )
        return points


def _add(points: dict[str, list[Any]], row: Row, quantity: str) -> None:
    value = row.magnitude if quantity == "magnitude" else row.flux
    if isinstance(value, float | int) and row.limit is not True:
        points["time"].append(row.time)
        points["value"].append(value)
        points["error"].append(row.error)
        points["filter"].append(row.filter)


def _days(handler: PeriodogramHandler, name: str) -> float | None:
    """Return a length of time in days, None when it is missing. Raise InvalidInput."""
    if name not in handler.request.query_arguments:
        return None
    given = text(handler, name)
    if given is None:
        return None
    days = float(given) if DAYS.fullmatch(given) else 0.0
    if not LEAST_DAYS <= days <= MOST_DAYS:
        raise InvalidInput.of(name, "A number of days above 0 is expected, as 0.527.")
    return days
