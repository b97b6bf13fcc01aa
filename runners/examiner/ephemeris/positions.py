"""Altitudes of the Sun, the Moon and a target at a site, by astropy and without the network.

The ephemeris is astropy's own (`builtin`, ERFA's epv00 and moon98), good to some tens of seconds of
arc between 1900 and 2100. The rotation of the Earth comes from the table that astropy brings along;
beyond it UT1 - UTC is taken as 0, which moves the sky by a second, and decades away by some more.
There is no refraction in the altitudes.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy import units
from astropy.coordinates import AltAz, EarthLocation, HADec, SkyCoord, get_body
from astropy.time import Time
from astropy.utils import data, iers
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: The north pole of the ecliptic of J2000 in ICRS: the obliquity is 23.4393 degrees (IAU 2006).
_ECLIPTIC_POLE = np.array([0.0, -math.sin(math.radians(23.4393)), math.cos(math.radians(23.4393))])


@dataclass(frozen=True, slots=True)
class Site:
    """A place on the Earth (WGS 84): degrees, east and north positive, and metres."""

    latitude: float
    longitude: float
    elevation: float


@dataclass(frozen=True, slots=True)
class Track:
    """Where something is at each of some times: altitude and azimuth in degrees."""

    altitude: Array
    azimuth: Array


@dataclass(frozen=True, slots=True)
class Sky:
    """The tracks at the same times, and the distance of the Moon from the target in degrees.

    `hour_angle` is that of the target in degrees, from -180 to 180.
    """

    target: Track
    sun: Track
    moon: Track
    separation: Array
    hour_angle: Array


@dataclass(frozen=True, slots=True)
class Moon:
    """How the Moon looks: the part of its disk that is lit, 0 to 1, and its age as an angle.

    `elongation` is how far it is ahead of the Sun in ecliptic longitude, 0 to 360 degrees: 0 at new
    Moon, 180 at full Moon.
    """

    illumination: float
    elongation: float


def sky_at(site: Site, ra: float, dec: float, seconds: Array) -> Sky:
    """Return the sky at a site at these times, in Unix seconds; the target in degrees, ICRS."""
    with offline():
        times, place = _times(seconds), _location(site)
        frame = AltAz(obstime=times, location=place)
        target = SkyCoord(ra * units.deg, dec * units.deg)
        seen = target.transform_to(frame)
        moon = get_body("moon", times, place, ephemeris="builtin").transform_to(frame)
        sun = get_body("sun", times, place, ephemeris="builtin").transform_to(frame)
        hours = target.transform_to(HADec(obstime=times, location=place)).ha
        return Sky(
            _track(seen),
            _track(sun),
            _track(moon),
            _apart(_track(seen), _track(moon)),
            np.asarray(hours.wrap_at(180 * units.deg).deg, float),
        )


def altitude_at(site: Site, ra: float, dec: float, seconds: float) -> float:
    """Return the altitude of a target at one time, in degrees."""
    with offline():
        frame = AltAz(obstime=_times(seconds), location=_location(site))
        return float(SkyCoord(ra * units.deg, dec * units.deg).transform_to(frame).alt.deg)


def moon_at(seconds: float) -> Moon:
    """Return how the Moon looks from the Earth's centre, at a time in Unix seconds."""
    with offline():
        times = _times(seconds)
        sun, moon = (
            get_body(name, times, ephemeris="builtin").cartesian.xyz.to_value(units.km)
            for name in ("sun", "moon")
        )
    distance = float(np.linalg.norm(moon))
    towards_sun, towards_earth = np.asarray(sun) - np.asarray(moon), -np.asarray(moon)
    cosine = float(towards_sun @ towards_earth) / (float(np.linalg.norm(towards_sun)) * distance)
    return Moon((1 + cosine) / 2, (_longitude(moon) - _longitude(sun)) % 360)


@contextmanager
def offline() -> Iterator[None]:
    """Keep astropy from fetching tables, and from warning of times that they do not cover."""
    with (
        data.conf.set_temp("allow_internet", False),
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("auto_max_age", None),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield


def _times(seconds: Any) -> Time:
    return Time(seconds, format="unix", scale="utc")


def _location(site: Site) -> EarthLocation:
    return EarthLocation.from_geodetic(
        site.longitude * units.deg, site.latitude * units.deg, site.elevation * units.m
    )


def _track(seen: Any) -> Track:
    return Track(np.asarray(seen.alt.deg, float), np.asarray(seen.az.deg, float))


def _apart(one: Track, other: Track) -> Array:
    """Return the angles between two tracks as the site sees them, in degrees."""
    first, second = _vectors(one), _vectors(other)
    across = np.linalg.norm(np.cross(first, second, axis=0), axis=0)
    apart: Array = np.degrees(np.arctan2(across, (first * second).sum(axis=0)))
    return apart


def _vectors(track: Track) -> Array:
    up, round_ = np.radians(track.altitude), np.radians(track.azimuth)
    return np.array([np.cos(up) * np.cos(round_), np.cos(up) * np.sin(round_), np.sin(up)])


def _longitude(position: Any) -> float:
    """Return the ecliptic longitude of a geocentric position in degrees, J2000."""
    x, y = float(position[0]), float(np.cross(_ECLIPTIC_POLE, [1.0, 0.0, 0.0]) @ position)
    return math.degrees(math.atan2(y, x))
