"""The sky of a target: a night at the site."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from handlers.description.operation import Operation, Parameter, read
from server.archive.derived.nights import FIRST, LAST


class SkySite(Struct):
    """Where the telescope stands (WGS 84): degrees, metres, seconds ahead of UTC at midnight."""

    name: str | None
    latitude: float
    longitude: float
    elevation: float
    timezone: str | None
    utc_offset: float


class Culmination(Struct):
    """When a target stands highest, and how high."""

    time: int
    altitude: float


class SkyPhase(Struct):
    """A part of the night, by how far the Sun is beneath the horizon."""

    phase: Literal["day", "civil", "nautical", "astronomical", "night"]
    start: int
    end: int


class SunTrack(Struct):
    """The altitude of the Sun at each time, and what follows each other."""

    altitude: list[float]
    phases: list[SkyPhase]


class MoonTrack(Struct):
    """The Moon: its altitude and distance from the target at each time, and how it looks."""

    altitude: list[float]
    separation: list[float]
    illumination: float
    phase: str
    rises: list[int]
    sets: list[int]
    always: Literal["up", "down"] | None


class BestTime(Struct):
    """The longest time in the dark with an airmass under 2, and the greatest altitude in it."""

    start: int
    end: int
    darkness: Literal["night", "astronomical"]
    altitude: float
    airmass: float | None
    moon_up: bool


class NightSky(Struct):
    """A night of a target. `reason` says why there is no `best` time."""

    night: str
    start: int
    end: int
    site: SkySite
    times: list[int]
    altitude: list[float]
    azimuth: list[float]
    airmass: list[float | None]
    culmination: Culmination
    rises: list[int]
    sets: list[int]
    always: Literal["up", "down"] | None
    sun: SunTrack
    moon: MoonTrack
    best: BestTime | None
    reason: str | None


EXAMPLE = {
    "night": "2026-06-01",
    "start": 1780319492,
    "end": 1780405892,
    "site": {
        "name": "Roque de los Muchachos",
        "latitude": 28.7606,
        "longitude": -17.8816,
        "elevation": 2396.0,
        "timezone": "Atlantic/Canary",
        "utc_offset": 3600.0,
    },
    "times": [1780362692],
    "altitude": [82.35],
    "azimuth": [0.8],
    "airmass": [1.009],
    "culmination": {"time": 1780362725, "altitude": 82.35},
    "rises": [1780335257],
    "sets": [1780390192],
    "always": None,
    "sun": {
        "altitude": [-39.07],
        "phases": [{"phase": "night", "start": 1780349882, "end": 1780375243}],
    },
    "moon": {
        "altitude": [29.58],
        "separation": [67.6],
        "illumination": 0.973,
        "phase": "waning gibbous",
        "rises": [1780349376],
        "sets": [1780385689],
        "always": None,
    },
    "best": {
        "start": 1780349882,
        "end": 1780375243,
        "darkness": "night",
        "altitude": 82.35,
        "airmass": 1.009,
        "moon_up": True,
    },
    "reason": None,
}

SKY_PATHS: dict[str, dict[str, Operation]] = {
    "/api/targets/{pk}/sky/": {
        "GET": read(
            "Get a night of a target",
            NightSky,
            EXAMPLE,
            parameters=(
                Parameter(
                    "night",
                    {"type": "string", "format": "date"},
                    f"The date on which it begins at the site, from {FIRST} to {LAST}; by default "
                    "the night that goes on or, after sunrise, the next.",
                ),
            ),
            description="From noon to noon at the site, every five minutes. Altitudes are degrees, "
            "without refraction; times are Unix seconds.",
            errors={
                409: "No site is configured, or the target has no coordinates.",
                503: "It could not be computed this time.",
            },
        ),
    },
}
