"""The sky of a night, compared with what almanacs and textbooks have.

Meeus is J. Meeus, Astronomical Algorithms, second edition (1998).
"""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runners.examiner.ephemeris.night import airmass, phase_name, sky_of_night
from runners.examiner.ephemeris.positions import Site, altitude_at, moon_at, sky_at

ROOT = Path(__file__).parents[4]
GREENWICH = Site(51.4779, 0.0, 46.0)
POLE = Site(90.0, 0.0, 0.0)


def at(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


def night(site: Site, ra: float, dec: float, date: str) -> dict[str, Any]:
    """Return the night that begins on a date at the site's mean noon."""
    start = at(f"{date}T12:00") - site.longitude * 240
    place = {
        "latitude": site.latitude,
        "longitude": site.longitude,
        "elevation": site.elevation,
    }
    return sky_of_night(place, ra, dec, start, start + 86_400)


def test_altitude_and_azimuth_are_those_of_the_textbook() -> None:
    # Meeus, example 13.b: Venus from the U.S. Naval Observatory; from its place of the date.
    years = 2000 - 1987.27
    ra, dec = 347.3193, -6.7199
    rate = 3.075 + 1.336 * math.sin(math.radians(ra)) * math.tan(math.radians(dec))
    ra, dec = (
        ra + rate * years / 240,
        dec + 20.04 * math.cos(math.radians(ra)) * years / 3600,
    )
    washington = Site(38.921389, -77.065556, 92.0)
    sky = sky_at(washington, ra, dec, np.array([at("1987-04-10T19:21")]))
    assert sky.target.altitude[0] == pytest.approx(15.1249, abs=0.02)
    assert sky.target.azimuth[0] == pytest.approx(180 + 68.0337, abs=0.02)


def test_the_sun_seen_from_the_pole_is_as_high_as_its_declination() -> None:
    # Meeus, example 25.b.
    sky = sky_at(POLE, 0.0, 0.0, np.array([at("1992-10-13T00:00")]))
    assert sky.sun.altitude[0] == pytest.approx(-7.78507, abs=0.004)


def test_the_moon_seen_from_the_pole_is_lower_by_its_parallax() -> None:
    # Meeus, example 47.a: declination 13.768368 degrees, 368409.7 km away.
    x, z = (368409.7 * f(math.radians(13.768368)) for f in (math.cos, math.sin))
    expected = math.degrees(math.atan2(z - 6356.75, x))
    sky = sky_at(POLE, 0.0, 0.0, np.array([at("1992-04-12T00:00")]))
    assert sky.moon.altitude[0] == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("stamp", "illumination", "name"),
    [
        ("1992-04-12T00:00", 0.6786, "waxing gibbous"),  # Meeus, example 48.a
        ("2024-04-08T18:21", 0.0, "new moon"),  # the solar eclipse
        ("2024-04-15T19:13", 0.5, "first quarter"),
        ("2026-03-03T11:38", 1.0, "full moon"),  # the lunar eclipse
        ("2026-03-11T09:39", 0.5, "last quarter"),
    ],
)
def test_the_moon_looks_as_almanacs_say(stamp: str, illumination: float, name: str) -> None:
    moon = moon_at(at(stamp))
    assert moon.illumination == pytest.approx(illumination, abs=0.006)
    assert phase_name(moon.elongation) == name


def test_every_elongation_has_the_name_of_a_phase() -> None:
    names = [phase_name(degrees) for degrees in (0, 359.5, 30, 90, 135, 180, 200, 270, 300)]
    assert names == [
        *("new moon", "new moon", "waxing crescent", "first quarter", "waxing gibbous"),
        *("full moon", "waning gibbous", "last quarter", "waning crescent"),
    ]


def test_the_moon_covers_the_sun_in_an_eclipse() -> None:
    # Totality in Dallas was from 18:40:43 to 18:44:35 UTC.
    sky = sky_at(Site(32.7767, -96.797, 130.0), 0.0, 0.0, np.array([at("2024-04-08T18:42:39")]))
    assert sky.sun.altitude[0] == pytest.approx(64.4, abs=0.5)
    assert sky.moon.altitude[0] == pytest.approx(sky.sun.altitude[0], abs=0.03)
    assert sky.moon.azimuth[0] == pytest.approx(sky.sun.azimuth[0], abs=0.06)


@pytest.mark.parametrize(
    ("date", "sunset", "sunrise"),
    [
        ("2024-06-20", "2024-06-20T20:21", "2024-06-21T03:43"),
        ("2024-12-21", "2024-12-21T15:53", "2024-12-22T08:04"),
    ],
)
def test_the_sun_sets_and_rises_in_london_when_it_is_published(
    date: str, sunset: str, sunrise: str
) -> None:
    phases = night(Site(51.5074, -0.1278, 0.0), 0.0, 0.0, date)["sun"]["phases"]
    assert phases[0]["phase"] == phases[-1]["phase"] == "day"
    assert phases[0]["end"] == pytest.approx(at(sunset), abs=90)
    assert phases[-1]["start"] == pytest.approx(at(sunrise), abs=90)
    # It does not get darker than twilight at midsummer.
    darkest = {each["phase"] for each in phases} - {"day", "civil", "nautical"}
    assert darkest == ({"astronomical"} if date == "2024-06-20" else {"astronomical", "night"})


@pytest.mark.parametrize(
    ("latitude", "longitude", "dec"),
    [
        (-30.24, -70.74, -60.0),
        (28.76, -17.88, 28.76),
        *(
            pytest.param(*place, marks=pytest.mark.slow)
            for place in (
                *((51.5, 0.0, 20.0), (0.0, 0.0, 0.0), (28.76, 180.0, -10.0)),
                *((28.76, -180.0, -10.0), (90.0, 0.0, 45.0), (-90.0, 77.0, -30.0)),
            )
        ),
    ],
)
def test_a_target_culminates_at_90_degrees_less_the_difference_from_the_latitude(
    latitude: float, longitude: float, dec: float
) -> None:
    found = night(Site(latitude, longitude, 0.0), 123.0, dec, "2000-01-10")
    expected = 90 - abs(latitude - dec)
    # Within what nutation and aberration change, as the date is near that of the coordinates.
    assert found["culmination"]["altitude"] == pytest.approx(expected, abs=0.02)
    assert max(found["altitude"]) <= expected + 0.02
    assert abs(found["culmination"]["time"] - found["times"][144]) <= 43_100


@pytest.mark.parametrize(
    ("latitude", "dec", "always"),
    [
        (60, -60, "down"),
        (60, 60, "up"),
        (60, 0, None),
        pytest.param(90, 1, "up", marks=pytest.mark.slow),
        pytest.param(-90, 1, "down", marks=pytest.mark.slow),
    ],
)
def test_what_neither_rises_nor_sets_is_always_up_or_down(
    latitude: float, dec: float, always: str | None
) -> None:
    found = night(Site(latitude, 10.0, 0.0), 200.0, dec, "2026-11-26")
    assert found["always"] == always
    assert bool(found["rises"] and found["sets"]) is (always is None)
    if always == "down":
        assert found["best"] is None
        summer_in_the_south = latitude == -90
        assert found["reason"] == (
            "It does not get dark." if summer_in_the_south else "It does not rise."
        )
        assert set(found["airmass"]) == {None}


@pytest.mark.slow
def test_the_pole_of_the_sky_stands_as_high_as_the_latitude() -> None:
    for dec, latitude in ((90.0, 47.5), (-90.0, -47.5)):
        found = night(Site(latitude, 10.0, 0.0), 0.0, dec, "2026-11-26")
        assert found["always"] == "up"
        assert {round(each) for each in found["altitude"]} <= {47, 48}
        assert math.isfinite(found["culmination"]["time"])
        assert found["culmination"]["altitude"] == pytest.approx(47.5, abs=0.2)


def test_at_the_poles_the_sun_neither_rises_nor_sets_for_half_a_year() -> None:
    svalbard = Site(78.22, 15.65, 0.0)
    summer, winter = (night(svalbard, 0, 80, f"2026-{day}") for day in ("06-21", "12-21"))
    assert [each["phase"] for each in summer["sun"]["phases"]] == ["day"]
    assert (summer["best"], summer["reason"]) == (None, "It does not get dark.")
    assert "day" not in {each["phase"] for each in winter["sun"]["phases"]}
    assert winter["best"]["darkness"] == "night"


def test_phases_follow_each_other_from_noon_to_noon() -> None:
    found = night(GREENWICH, 10.0, 50.0, "2026-11-26")
    phases = found["sun"]["phases"]
    light = ["day", "civil", "nautical", "astronomical"]
    assert [each["phase"] for each in phases] == [*light, "night", *light[::-1]]
    assert phases[0]["start"] == found["times"][0]
    assert phases[-1]["end"] == found["times"][-1]
    for before, after in itertools.pairwise(phases):
        assert before["end"] == after["start"]


def test_the_best_time_is_dark_with_the_target_high() -> None:
    la_palma = Site(28.7606, -17.8816, 2396.0)
    found = night(la_palma, 83.82, -5.39, "2026-12-10")
    best, times = found["best"], np.array(found["times"])
    for edge in (best["start"], best["end"]):
        sun = np.interp(edge, times, found["sun"]["altitude"])
        target = np.interp(edge, times, found["altitude"])
        assert sun <= -17.98
        assert target >= 29.98
        assert sun >= -18.02 or target <= 30.02
    assert best["altitude"] == found["culmination"]["altitude"]
    assert best["airmass"] == airmass(found["culmination"]["altitude"])


def test_a_target_that_is_low_or_up_by_day_only_has_no_best_time() -> None:
    low = night(GREENWICH, 90.0, -20.0, "2026-12-21")
    assert low["best"] is None
    assert low["reason"] == "It is no higher than 18° while it is dark."
    by_day = night(Site(0.0, 0.0, 0.0), 90.0, 0.0, "2026-06-21")
    assert by_day["reason"] == "It is not up while it is dark."


def test_the_airmass_is_that_of_the_tables() -> None:
    # Allen, Astrophysical Quantities: 1.000, 1.154, 1.995, 5.60, 10.4 (at true zenith distances).
    assert airmass(90.0) == pytest.approx(1.0, abs=0.001)
    assert airmass(60.0) == pytest.approx(1.154, abs=0.002)
    assert airmass(30.0) == pytest.approx(1.994, abs=0.005)
    assert airmass(10.0) == pytest.approx(5.6, abs=0.06)
    assert airmass(0.0) is airmass(-3.0) is None


@pytest.mark.slow
def test_dates_far_away_are_computed_too() -> None:
    for date in ("1900-01-01", "2099-12-31"):
        found = night(GREENWICH, 10.0, 50.0, date)
        assert len(found["times"]) == len(found["altitude"]) == 289
        assert all(map(math.isfinite, found["altitude"]))
        assert len(found["sun"]["phases"]) == 9


def test_a_single_altitude_is_that_of_the_track() -> None:
    time = at("2026-11-26T23:00")
    sky = sky_at(GREENWICH, 10.0, 50.0, np.array([time]))
    assert altitude_at(GREENWICH, 10.0, 50.0, time) == pytest.approx(sky.target.altitude[0])


@pytest.mark.slow
def test_nothing_is_asked_of_the_network(tmp_path: Path) -> None:
    # A fresh home, where nothing is that was downloaded before, and years after all tables.
    code = (
        "import io, json, socket\n"
        "def refuse(*_, **__): raise SystemExit('the network was asked')\n"
        "socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse\n"
        "from astropy.time import Time\n"
        "from astropy.utils import iers\n"
        "later = Time(2039.0, scale='tai', format='jyear')\n"
        "iers.LeapSeconds._today = classmethod(lambda cls: later)\n"
        "from runners.examiner.child import serve\n"
        "site = {'latitude': 28.76, 'longitude': -17.88, 'elevation': 2396.0}\n"
        "sky = {'site': site, 'ra': 10.0, 'dec': 20.0, 'start': 2177452800, 'end': 2177539200}\n"
        "answers = io.StringIO()\n"
        "serve(io.StringIO(json.dumps({'sky': sky})), answers, 'sky')\n"
        "print(json.loads(answers.getvalue().splitlines()[1])['sky']['best']['darkness'])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.returncode) == ("night\n", 0), done.stderr
