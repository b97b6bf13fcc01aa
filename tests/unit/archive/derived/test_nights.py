"""The nights of targets: which one, what it is called, computed once and kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.archive.derived.nights import AT_ONCE, FIRST, LAST, REMEMBERED, Nights
from server.config.sections import Site
from server.core.errors import Conflict, NotExamined
from server.core.records import Target
from tests.fakes.some_records import a_target

LA_PALMA = Site(latitude=28.7606, longitude=-17.8816, elevation=2396.0, timezone="Atlantic/Canary")
M13 = a_target(ra=250.4235, dec=36.4613)


class Almanac:
    """Computes nothing, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float, float, float]] = []
        self.dark = True
        self.fault: Exception | None = None
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(
        self, site: Mapping[str, float], ra: float, dec: float, start: float, end: float
    ) -> dict[str, Any]:
        self.asked.append((ra, dec, start, end))
        await self.may_answer.wait()
        if self.fault is not None:
            raise self.fault
        sun = {"phases": self.phases(start, end)}
        return {"times": [start, end], "place": dict(site), "sun": sun}

    def phases(self, start: float, end: float) -> list[dict[str, Any]]:
        """Return a night that is over four hours before noon, or none."""
        day = {"phase": "day", "start": start, "end": end}
        if not self.dark:
            return [day]
        night = {"phase": "night", "start": start, "end": end - 14_400}
        return [night, day | {"start": end - 14_400}]


def at(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def got(
    site: Site, night: date | None = None, now: float | None = None, target: Target = M13
) -> dict[str, Any]:
    """Return a night as the API has it."""

    async def get() -> bytes:
        return await Nights(site, Almanac()).get(target, night, now)

    fields: dict[str, Any] = msgspec.json.decode(asyncio.run(get()))
    return fields


def test_a_night_goes_from_noon_to_noon_of_mean_solar_time() -> None:
    night = got(LA_PALMA, date(2026, 6, 1))
    # 17.8816 degrees to the west, noon is 1 h 11 min 31.6 s later.
    assert night["start"] == round(at("2026-06-01T12:00") + 17.8816 * 240)
    assert night["end"] - night["start"] == 86_400
    assert night["night"] == "2026-06-01"
    assert night["site"] == {
        "name": None,
        "latitude": 28.7606,
        "longitude": -17.8816,
        "elevation": 2396.0,
        "timezone": "Atlantic/Canary",
        "utc_offset": 3600.0,
    }
    assert night["place"] == {"latitude": 28.7606, "longitude": -17.8816, "elevation": 2396.0}


@pytest.mark.parametrize(
    ("now", "name"),
    [
        ("2026-06-01T09:11:31", "2026-05-31"),
        ("2026-06-01T09:11:33", "2026-06-01"),
        ("2026-06-01T23:59", "2026-06-01"),
        ("2026-06-02T04:00", "2026-06-01"),
    ],
)
def test_tonight_is_the_night_that_goes_on_until_sunrise_and_then_the_next(
    now: str, name: str
) -> None:
    assert got(LA_PALMA, now=at(now))["night"] == name


def test_where_the_sun_does_not_set_a_night_is_over_at_noon() -> None:
    async def scenario() -> None:
        almanac = Almanac()
        almanac.dark = False
        nights = Nights(LA_PALMA, almanac)
        for now, name in (("2026-06-01T13:11:31", b"05-31"), ("2026-06-01T13:11:33", b"06-01")):
            assert b'"night":"2026-' + name in await nights.get(M13, None, at(now))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("longitude", "zone", "offset"),
    [
        (-157.4, "Pacific/Kiritimati", 14 * 3600.0),  # which keeps the date of the other side
        (180.0, None, 12 * 3600.0),
        (-180.0, None, -12 * 3600.0),
        (0.0, "Europe/London", 3600.0),
    ],
)
def test_a_night_is_called_by_the_date_of_the_site(
    longitude: float, zone: str | None, offset: float
) -> None:
    site = Site(latitude=1.9, longitude=longitude, timezone=zone)
    night = got(site, date(2026, 6, 1))
    assert (night["night"], night["site"]["utc_offset"]) == ("2026-06-01", offset)
    assert got(site, now=night["start"] + 40_000)["start"] == night["start"]


@given(
    st.floats(-180, 180),
    st.sampled_from([None, "UTC", "Pacific/Auckland", "America/Anchorage", "Asia/Kathmandu"]),
    st.dates(FIRST, LAST),
    st.floats(0, 86_398),
)
def test_every_moment_is_in_the_night_that_its_name_leads_to(
    longitude: float, zone: str | None, name: date, later: float
) -> None:
    nights = Nights(Site(latitude=0.0, longitude=longitude, timezone=zone), Almanac())
    night = nights._night_called(name)
    assert night.name == name
    assert nights._night_of(night.start + 1 + later) == night


def test_who_asks_together_or_again_gets_the_same_that_is_computed_once() -> None:
    async def scenario() -> None:
        almanac = Almanac()
        nights = Nights(LA_PALMA, almanac)
        day = date(2026, 6, 1)
        bodies = await asyncio.gather(*(nights.get(M13, day) for _ in range(20)))
        assert len({*bodies, await nights.get(M13, day)}) == 1
        assert len(almanac.asked) == 1
        await nights.get(M13.evolve(dec=36.5), day)
        await nights.get(M13, date(2026, 6, 2))
        assert len(almanac.asked) == 3

    asyncio.run(scenario())


def test_who_goes_away_takes_nothing_from_the_others() -> None:
    async def scenario() -> None:
        almanac = Almanac()
        almanac.may_answer.clear()
        nights = Nights(LA_PALMA, almanac)
        first, second = (asyncio.ensure_future(nights.get(M13, FIRST)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        almanac.may_answer.set()
        assert await second
        assert len(almanac.asked) == 1

    asyncio.run(scenario())


def test_a_failure_is_not_kept() -> None:
    async def scenario() -> None:
        almanac = Almanac()
        nights = Nights(LA_PALMA, almanac)
        almanac.fault = NotExamined("Not now")
        with pytest.raises(NotExamined):
            await nights.get(M13, FIRST)
        almanac.fault = None
        assert await nights.get(M13, FIRST)
        assert nights._computing == {}

    asyncio.run(scenario())


def test_nights_are_bounded_both_in_memory_and_while_they_are_computed() -> None:
    async def scenario() -> None:
        almanac = Almanac()
        nights = Nights(LA_PALMA, almanac)
        for number in range(REMEMBERED + 20):
            await nights.get(M13.evolve(ra=number / 2), FIRST)
        assert len(nights._known) == REMEMBERED
        almanac.may_answer.clear()
        asked = [
            asyncio.ensure_future(nights.get(M13.evolve(ra=200 + number / 2), LAST))
            for number in range(AT_ONCE)
        ]
        await asyncio.sleep(0)
        with pytest.raises(NotExamined, match="try again later"):
            await nights.get(M13, LAST)
        almanac.may_answer.set()
        assert all(await asyncio.gather(*asked))

    asyncio.run(scenario())


def test_without_a_site_or_a_place_in_the_sky_there_is_no_night() -> None:
    with pytest.raises(Conflict, match=r"site\.latitude"):
        got(Site())
    for missing in ({"ra": None}, {"dec": None}):
        with pytest.raises(Conflict, match="M13 has no right ascension"):
            got(LA_PALMA, target=M13.evolve(**missing))


def test_a_night_that_nobody_waits_for_any_more_makes_room_for_others() -> None:
    async def scenario() -> None:
        almanac = Almanac()
        almanac.may_answer.clear()
        nights = Nights(LA_PALMA, almanac)
        asked = [
            asyncio.ensure_future(nights.get(M13.evolve(ra=200 + number / 2), LAST))
            for number in range(AT_ONCE)
        ]
        await asyncio.sleep(0.01)
        for each in asked:
            each.cancel()
        await asyncio.sleep(0)
        again = asyncio.ensure_future(nights.get(M13.evolve(ra=200), LAST))
        await asyncio.sleep(0.01)
        assert len(nights._computing) == 1
        almanac.may_answer.set()
        assert await again
        assert (nights._computing, nights._waiting) == ({}, {})

    asyncio.run(scenario())
