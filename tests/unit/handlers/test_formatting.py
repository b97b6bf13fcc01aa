"""Coordinates and numbers as text, and coordinates as astropy formats them."""

from __future__ import annotations

import warnings

import pytest
from astropy import units
from astropy.coordinates import Angle
from hypothesis import given
from hypothesis import strategies as st

from handlers.pages import formatting


def read(text: str) -> Angle:
    """Return the angle as astropy reads it; to astropy, 60 minutes or seconds are an error."""
    for written, plain in zip("\u2212\u00b0\u2032\u2033", "-dms", strict=True):
        text = text.replace(written, plain)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return Angle(text)


@given(st.floats(0, 360, exclude_max=True))
def test_right_ascension_is_that_of_astropy(degrees: float) -> None:
    shown = read(formatting.right_ascension(degrees)).to_value(units.arcsec)
    apart = abs(shown - degrees * 3600)
    assert min(apart, 360 * 3600 - apart) <= 0.0751  # half a hundredth of a second of time


@given(st.floats(-90, 90))
def test_declination_is_that_of_astropy(degrees: float) -> None:
    shown = read(formatting.declination(degrees)).to_value(units.arcsec)
    assert abs(shown - degrees * 3600) <= 0.0501


@pytest.mark.parametrize(
    ("degrees", "ra", "dec"),
    [
        (0.0, "00h 00m 00.00s", "+00\u00b0 00\u2032 00.0\u2033"),
        (59.999999, "04h 00m 00.00s", "+60\u00b0 00\u2032 00.0\u2033"),
        (89.99999, "06h 00m 00.00s", "+90\u00b0 00\u2032 00.0\u2033"),
    ],
)
def test_sixtieths_carry(degrees: float, ra: str, dec: str) -> None:
    assert formatting.right_ascension(degrees) == ra
    assert formatting.declination(degrees) == dec


def test_degrees_have_a_sign_where_there_are_two() -> None:
    assert formatting.degrees(250.4235) == "250.42350\u00b0"
    assert formatting.degrees(36.4613, "+") == "+36.46130\u00b0"
    assert formatting.degrees(-0.5, "+") == "\u22120.50000\u00b0"


def test_counts_that_stopped_say_so() -> None:
    assert formatting.at_most(200, 200) == "200"
    assert formatting.at_most(201, 200) == "200+"


def test_short_times_are_told_to_the_millisecond() -> None:
    assert formatting.precise(0.0664) == "0.066 s"
    assert formatting.precise(75) == "1 min 15 s"


@pytest.mark.parametrize(
    ("user_agent", "shown"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 "
            "Safari/537.36 Edg/140.0",
            "Edge on Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
            "Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        ("curl/8.5.0", "curl/8.5.0"),
        ("x" * 300, "x" * 60),
        ("", "unknown"),
    ],
)
def test_a_browser_is_named_with_its_system(user_agent: str, shown: str) -> None:
    assert formatting.browser(user_agent) == shown


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 processes"),
        (1, "1 process"),
        (2, "2 processes"),
        ("1", "1 process"),
        ("200+", "200+ processes"),
    ],
)
def test_a_noun_is_in_the_number_of_its_count(count: int | str, words: str) -> None:
    assert formatting.counted(count, "process", "processes") == words
    assert formatting.counted(1000, "frame") == "1\u202f000 frames"
