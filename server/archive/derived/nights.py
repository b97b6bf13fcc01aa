"""What the sky of a target is like in a night at the site: which night, computed once, and kept.

A night goes from noon to noon of the site's mean solar time, and is called by the date on which it
begins there. Where things stand in it is left to `runners.examiner`, in a child of the server.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from cachetools import LRUCache

from server.config.sections import Site
from server.core.errors import Conflict, NotExamined
from server.core.records import Target

DAY_SECONDS = 86_400
#: Seconds of solar time for each degree of longitude.
SECONDS_A_DEGREE = DAY_SECONDS / 360
#: The ephemeris is good between these.
FIRST, LAST = date(1900, 1, 1), date(2099, 12, 31)
#: How many nights are remembered, each of some 16 KB, and how many are computed or wait for that.
REMEMBERED, AT_ONCE = 256, 64

#: Computes the sky at a site for a right ascension, a declination, a start and an end.
Compute = Callable[[Mapping[str, float], float, float, float, float], Awaitable[dict[str, Any]]]


class Night(NamedTuple):
    """A night by its name, from one noon to the next, in Unix seconds."""

    name: date
    start: float
    end: float


class Known(NamedTuple):
    """A night as JSON, and when it is over: at sunrise, or at noon where there is none."""

    body: bytes
    over: float


class Nights:
    """The nights of all targets at the site."""

    def __init__(self, site: Site, compute: Compute) -> None:
        self._site = site
        self._compute = compute
        self._known: LRUCache[tuple[float, float, float], Known] = LRUCache(REMEMBERED)
        self._computing: dict[tuple[float, float, float], asyncio.Future[Known]] = {}
        self._waiting: Counter[tuple[float, float, float]] = Counter()

    async def get(self, target: Target, night: date | None, now: float | None = None) -> bytes:
        """Return a night of a target as JSON: by default tonight, after sunrise the next one.

        :raises Conflict: there is no site, or the target has no coordinates.
        :raises NotExamined: it could not be computed this time.
        """
        if not self._site.given:
            raise Conflict(
                "This server does not know where its site is: "
                "set site.latitude and site.longitude in its configuration"
            )
        if target.ra is None or target.dec is None:
            raise Conflict(f"{target.name} has no right ascension and declination")
        place = target.ra, target.dec
        if night is not None:
            return (await self._get(*place, self._night_called(night))).body
        now = time.time() if now is None else now
        tonight = self._night_of(now)
        known = await self._get(*place, tonight)
        if now >= known.over:
            known = await self._get(*place, self._night_from(tonight.end))
        return known.body

    async def _get(self, ra: float, dec: float, night: Night) -> Known:
        key = (ra, dec, night.start)
        known = self._known.get(key)
        return await self._computed(key, night) if known is None else known

    async def _computed(self, key: tuple[float, float, float], night: Night) -> Known:
        if key not in self._computing:
            if len(self._computing) >= AT_ONCE:
                raise NotExamined("Too many nights are being computed, try again later")
            begun = asyncio.ensure_future(self._compute_and_keep(key, night))
            begun.add_done_callback(lambda done: self._finished(key, done))
            self._computing[key] = begun
        computing = self._computing[key]
        self._waiting[key] += 1
        try:
            # Who asks may go away, while others wait for the same.
            return await asyncio.shield(computing)
        finally:
            self._leave(key, computing)

    def _leave(self, key: tuple[float, float, float], computing: asyncio.Future[Known]) -> None:
        """Stop the computation if nobody waits for it any more."""
        self._waiting[key] -= 1
        if not self._waiting[key]:
            del self._waiting[key]
            if not computing.done():
                self._forget(key, computing)
                computing.cancel()

    def _forget(self, key: tuple[float, float, float], computing: asyncio.Future[Known]) -> None:
        if self._computing.get(key) is computing:
            del self._computing[key]

    def _finished(self, key: tuple[float, float, float], done: asyncio.Future[Known]) -> None:
        self._forget(key, done)
        if not done.cancelled():
            done.exception()  # retrieved, as perhaps nobody waits any more

    async def _compute_and_keep(self, key: tuple[float, float, float], night: Night) -> Known:
        ra, dec, _ = key
        sky = await self._compute(self._place(), ra, dec, night.start, night.end)
        fields = {
            "night": night.name.isoformat(),
            "start": night.start,
            "end": night.end,
            "site": self._site_fields(night),
            **sky,
        }
        known = Known(msgspec.json.encode(fields), _end_of(sky["sun"]["phases"]))
        self._known[key] = known
        return known

    def _place(self) -> dict[str, float]:
        site = self._site
        assert site.latitude is not None
        assert site.longitude is not None
        return {
            "latitude": site.latitude,
            "longitude": site.longitude,
            "elevation": site.elevation,
        }

    def _site_fields(self, night: Night) -> dict[str, Any]:
        midnight = datetime.fromtimestamp((night.start + night.end) / 2, self._zone())
        offset = midnight.utcoffset()
        return {
            "name": self._site.name,
            **self._place(),
            "timezone": self._site.timezone,
            "utc_offset": 0.0 if offset is None else offset.total_seconds(),
        }

    def _zone(self) -> tzinfo:
        """Return the site's time zone, or else its mean solar time."""
        if self._site.timezone is not None:
            return ZoneInfo(self._site.timezone)
        return timezone(timedelta(seconds=round(self._ahead())))

    def _ahead(self) -> float:
        """Return how far the site's mean solar time is ahead of UTC, in seconds."""
        return (self._site.longitude or 0.0) * SECONDS_A_DEGREE

    def _night_of(self, now: float) -> Night:
        """Return the night that the time is in."""
        noon = DAY_SECONDS / 2 - self._ahead()
        start = (now - noon) // DAY_SECONDS * DAY_SECONDS + noon
        return self._night_from(start)

    def _night_called(self, name: date) -> Night:
        """Return the night that begins on this date at the site."""
        begun = datetime(name.year, name.month, name.day, 12, tzinfo=UTC).timestamp()
        night = self._night_from(begun - self._ahead())
        # Some places near 180 degrees keep the date of the other side.
        days = (name - night.name).days
        return self._night_from(night.start + days * DAY_SECONDS)

    def _night_from(self, start: float) -> Night:
        start = round(start)
        name = datetime.fromtimestamp(start, self._zone()).date()
        return Night(name, start, start + DAY_SECONDS)


def _end_of(phases: list[dict[str, Any]]) -> float:
    """Return when a night is over: when the day begins that is the last of its phases."""
    last = phases[-1]
    sunrise = last["phase"] == "day" and len(phases) > 1
    return float(last["start"] if sunrise else last["end"])
