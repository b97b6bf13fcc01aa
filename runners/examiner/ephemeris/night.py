"""One night of a target at a site, as the API shows it: tracks, twilight, the Moon, the best time.

From which noon to which noon it is, and what it is called, is left to the server.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.examiner.ephemeris.crossings import (
    Condition,
    Span,
    crossings,
    longest,
    pieces,
    spans_where,
    times_in,
    value_at,
)
from runners.examiner.ephemeris.positions import Moon, Site, Sky, altitude_at, moon_at, sky_at

Array = NDArray[np.float64]

#: The samples are so many seconds apart: between them a straight line is right to 0.005 degrees.
STEP_SECONDS = 300.0
#: True altitudes of a rising star, and of the centre of a rising Sun or Moon: refraction at the
#: horizon is 34 minutes of arc, a radius 16 (Explanatory Supplement to the Astronomical Almanac).
STAR_RISES, DISK_RISES = -34 / 60, -50 / 60
#: Altitudes of the Sun beneath which a phase begins, the darkest first.
PHASES = (
    ("night", -18.0),
    ("astronomical", -12.0),
    ("nautical", -6.0),
    ("civil", DISK_RISES),
)
#: The Earth turns once in so many seconds, towards the stars.
SIDEREAL_DAY_SECONDS = 86_164.0905
#: Where an airmass is 2.
GOOD_ALTITUDE = 30.0
#: Within so many degrees of elongation (half a day) the Moon is called new, full or half.
NAMED_DEGREES = 6.1
_QUARTERS = ("new moon", "first quarter", "full moon", "last quarter")
_BETWEEN = ("waxing crescent", "waxing gibbous", "waning gibbous", "waning crescent")


def sky_of_night(
    site: dict[str, float], ra: float, dec: float, start: float, end: float
) -> dict[str, Any]:
    """Return a target's night from `start` to `end`, in Unix seconds, as the API shows it."""
    place = Site(**site)
    times = np.linspace(start, end, round((end - start) / STEP_SECONDS) + 1)
    sky = sky_at(place, ra, dec, times)
    culmination = _culmination(place, ra, dec, times, sky)
    best, reason = _best(times, sky, culmination)
    return {
        "times": [round(float(time)) for time in times],
        "altitude": _rounded(sky.target.altitude, 2),
        "azimuth": _rounded(sky.target.azimuth % 360, 1),
        "airmass": [airmass(float(altitude)) for altitude in sky.target.altitude],
        "culmination": culmination,
        **_rising(times, sky.target.altitude, STAR_RISES),
        "sun": {"altitude": _rounded(sky.sun.altitude, 2), "phases": _phases(times, sky)},
        "moon": _moon(times, sky),
        "best": best,
        "reason": reason,
    }


def airmass(altitude: float) -> float | None:
    """Return the relative airmass at a true altitude in degrees, None beneath the horizon.

    By Young (1994), Applied Optics 33, 1108, who gives it for the true zenith distance.
    """
    if altitude <= 0:
        return None
    z = math.sin(math.radians(altitude))
    over = 1.002432 * z**2 + 0.148386 * z + 0.0096467
    return round(over / (z**3 + 0.149864 * z**2 + 0.0102963 * z + 0.000303978), 3)


def phase_name(elongation: float) -> str:
    """Return what a Moon is called that is so many degrees ahead of the Sun."""
    quarter = round(elongation / 90)
    if abs(elongation - 90 * quarter) <= NAMED_DEGREES:
        return _QUARTERS[quarter % 4]
    return _BETWEEN[int(elongation // 90) % 4]


def _culmination(place: Site, ra: float, dec: float, times: Array, sky: Sky) -> dict[str, float]:
    """Return the upper culmination next to the middle of the times, and the altitude then."""
    middle = len(times) // 2
    at = float(times[middle]) - float(sky.hour_angle[middle]) / 360 * SIDEREAL_DAY_SECONDS
    return {"time": round(at), "altitude": round(altitude_at(place, ra, dec, at), 2)}


def _rising(times: Array, altitude: Array, horizon: float) -> dict[str, Any]:
    """Return all risings and settings, and "up" or "down" for what does neither."""
    found = crossings(times, altitude, horizon)
    always = None if found else "up" if altitude[0] >= horizon else "down"
    return {
        "rises": [round(each.time) for each in found if each.upwards],
        "sets": [round(each.time) for each in found if not each.upwards],
        "always": always,
    }


def _phases(times: Array, sky: Sky) -> list[dict[str, Any]]:
    """Return what follows each other: day, kinds of twilight, night."""
    passed = [
        crossing.time
        for _, level in PHASES
        for crossing in crossings(times, sky.sun.altitude, level)
    ]
    return [
        {"phase": _phase(times, sky, span), "start": round(span.start), "end": round(span.end)}
        for span in pieces(times, passed)
    ]


def _phase(times: Array, sky: Sky, span: Span) -> str:
    altitude = value_at((span.start + span.end) / 2, times, sky.sun.altitude)
    return next((name for name, level in PHASES if altitude < level), "day")


def _moon(times: Array, sky: Sky) -> dict[str, Any]:
    look: Moon = moon_at(float(times[len(times) // 2]))
    return {
        "altitude": _rounded(sky.moon.altitude, 2),
        "separation": _rounded(sky.separation, 1),
        "illumination": round(look.illumination, 3),
        "phase": phase_name(look.elongation),
        **_rising(times, sky.moon.altitude, DISK_RISES),
    }


def _best(
    times: Array, sky: Sky, culmination: dict[str, float]
) -> tuple[dict[str, Any] | None, str | None]:
    """Return the longest time in the dark with an airmass under 2, or why there is none."""
    phase = next((each for each in PHASES[:2] if (sky.sun.altitude < each[1]).any()), None)
    if phase is None:
        return None, "It does not get dark."
    dark = Condition(sky.sun.altitude, phase[1], above=False)
    high = Condition(sky.target.altitude, GOOD_ALTITUDE, above=True)
    span = longest(spans_where(times, dark, high))
    if span is None:
        return None, _why_not(times, sky, spans_where(times, dark))
    highest = _highest(times, sky, span, culmination)
    moon = Condition(sky.moon.altitude, DISK_RISES, above=True)
    return {
        "start": round(span.start),
        "end": round(span.end),
        "darkness": phase[0],
        "altitude": round(highest, 2),
        "airmass": airmass(highest),
        "moon_up": any(moon.holds(at, times) for at in times_in(times, span)),
    }, None


def _why_not(times: Array, sky: Sky, dark: list[Span]) -> str:
    at_all = (at for span in dark for at in times_in(times, span))
    highest = max(value_at(at, times, sky.target.altitude) for at in at_all)
    if highest < STAR_RISES:
        never = bool((sky.target.altitude < STAR_RISES).all())
        return "It does not rise." if never else "It is not up while it is dark."
    return f"It is no higher than {max(0, math.floor(highest))}° while it is dark."


def _highest(times: Array, sky: Sky, span: Span, culmination: dict[str, float]) -> float:
    found = max(value_at(at, times, sky.target.altitude) for at in times_in(times, span))
    inside = span.start <= culmination["time"] <= span.end
    return max(found, culmination["altitude"]) if inside else found


def _rounded(values: Array, digits: int) -> list[float]:
    # Adding 0 makes 0.0 of -0.0.
    return [round(float(value), digits) + 0.0 for value in values]
