"""The keys of the site: a place on the Earth, all of it or nothing."""

from __future__ import annotations

import pytest

from server.config import load
from server.core.errors import StartError


def refused(options: dict[str, object]) -> str:
    with pytest.raises(StartError) as raised:
        load(None, {}, options)
    [sentence] = str(raised.value).splitlines()
    return sentence


@pytest.mark.parametrize(
    ("latitude", "longitude"), [(90, 180), (-90, -180), (0, 0), (28.7606, -17.8816)]
)
def test_a_place_is_taken_from_the_environment_and_as_an_option(
    latitude: float, longitude: float
) -> None:
    options: dict[str, object] = {"site.latitude": latitude, "site.longitude": longitude}
    environ = {
        "HELIOGRAPH_SITE_LATITUDE": str(latitude),
        "HELIOGRAPH_SITE_LONGITUDE": str(longitude),
    }
    for site in (load(None, {}, options).site, load(None, environ, {}).site):
        assert (site.latitude, site.longitude, site.elevation) == (latitude, longitude, 0.0)
        assert site.given


def test_without_a_place_there_is_no_site() -> None:
    assert not load(None, {}, {}).site.given
    assert not load(None, {}, {"site.name": "Hill", "site.elevation": 90}).site.given


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("latitude", value) for value in (90.1, -91, "north", True, float("nan"), [1])),
        *(("longitude", value) for value in (180.5, -181, 359, "12°", float("inf"))),
        *(("elevation", value) for value in (-501, 9001, None, "high")),
        *(("name", value) for value in ("x" * 101, "a\nb", 5)),
        *(
            ("timezone", value)
            for value in ("Mars/Olympus", "../../etc/passwd", "/etc/localtime", "x" * 99, 1)
        ),
    ],
)
def test_nonsense_is_refused_with_the_name_of_the_key(key: str, value: object) -> None:
    assert refused({f"site.{key}": value}).startswith(f"site.{key}: ")


@pytest.mark.parametrize(
    ("given", "missing"), [("latitude", "longitude"), ("longitude", "latitude")]
)
def test_half_a_place_is_refused_with_the_name_of_the_other_half(given: str, missing: str) -> None:
    sentence = refused({f"site.{given}": 5})
    assert sentence.startswith(f"site.{missing}: ")
    assert f"site.{given}" in sentence


def test_time_zones_are_those_of_the_system() -> None:
    for zone in ("Atlantic/Canary", "UTC", "Etc/GMT+5", "America/Argentina/Buenos_Aires"):
        assert load(None, {}, {"site.timezone": zone}).site.timezone == zone
