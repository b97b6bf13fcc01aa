"""Dates: which keyword is trusted, and what each notation means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.fits.dates import observation_date, parse_date


def utc(*moment: int) -> float:
    return datetime(*moment, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


EVENING = utc(2017, 12, 20, 1, 33, 43)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"DATE-OBS": "2017-12-20T01:33:43"}, EVENING),
        ({"DATE-OBS": "2017-12-20T01:33:43.5"}, EVENING + 0.5),
        ({"DATE-OBS": "2017-12-20 01:33:43Z"}, EVENING),
        ({"DATE-OBS": "2017-12-19T18:33:43-0700"}, EVENING),
        ({"DATE-OBS": "2017-12-20T07:03:43+05:30"}, EVENING),
        ({"DATE-OBS": "26/10/92"}, utc(1992, 10, 26)),
        ({"DATE-OBS": "26/10/92", "MJD-OBS": 48921.75}, utc(1992, 10, 26, 18)),
        ({"DATE-OBS": "2013-07-13"}, utc(2013, 7, 13)),
        (
            {"DATE-OBS": "2013-07-13", "UT": "00:57:33", "MJD-OBS": 56486.0},
            utc(2013, 7, 13, 0, 57, 33),
        ),
        ({"DATE-OBS": "2013-07-13", "TIME-OBS": "23:01:02"}, utc(2013, 7, 13, 23, 1, 2)),
        ({"MJD-OBS": 58107.5}, utc(2017, 12, 20, 12)),
        ({"DATE-AVG": "2017-12-20T01:33:43"}, EVENING),
        ({"DATE-OBS": "", "DATE-AVG": "2017-12-20T01:33:43"}, EVENING),
        ({"DATE-OBS": "2016-12-31T23:59:60"}, utc(2017, 1, 1)),
        ({"DATE-OBS": "2017-12-20T01:33:43.00(UTC)"}, EVENING),
        ({"DATE-OBS": "2017-12-20T01:33:43 (ut)"}, EVENING),
        ({"DATE-OBS": "2017-12-20T01:33:43,25"}, EVENING + 0.25),
        ({"DATE-OBS": "2017/12/20 01:33:43"}, EVENING),
        ({"DATE-OBS": "2017/12/20", "UTSTART": "01:33:43,0"}, EVENING),
        ({"DATE-OBS": "2017-12-20t01:33:43z"}, EVENING),
        ({"DATE-OBS": "2017-12-20T013343"}, EVENING),
        ({"DATE-OBS": "2017-12-20T01-33-43"}, EVENING),
        ({"DATE-OBS": "12/20/2017 1:33:43 AM"}, EVENING),
        ({"DATE-OBS": "12/19/2017 12:00:00 PM"}, utc(2017, 12, 19, 12)),
        ({"DATE-OBS": "Wed Dec 20 01:33:43 2017"}, EVENING),
        ({"DATE-OBS": "2017-12-20T02:33:43 UTC+1"}, EVENING),
        ({"DATE-OBS": "2017-12-19T19:03:43 GMT-06:30"}, EVENING),
        ({"DATE-OBS": "2017-12-19T20:33-05"}, utc(2017, 12, 20, 1, 33)),
        ({"UT-DATE": "2017-12-20", "UT-TIME": "01:33:43"}, EVENING),
        ({"UTCDATE": "2017/12/20", "UTCTIME": "01:33:43"}, EVENING),
        ({"DATE-UTC": "2017-12-20T01:33:43"}, EVENING),
        ({"UTCSTART": "2017-12-20T01:33:43"}, EVENING),
        ({"MJD-UTC": "58107,5"}, utc(2017, 12, 20, 12)),
        ({"DATE-OBS": "2017-12-20", "TIME-STA": "01:33:43"}, EVENING),
        ({"DATE-OBS": "20171220T013343"}, EVENING),
        ({"DATE-OBS": "20/12/2017", "UTC-OBS": "01:33:43"}, EVENING),
        ({"DATE-OBS": "12/20/2017", "TIME-OBS": "01:33:43 UT"}, EVENING),
        ({"DATE-OBS": "20/12/17", "TIME-OBS": "01:33:43"}, utc(1917, 12, 20, 1, 33, 43)),
        ({"DATE-OBS": "2017-12-20", "UT": "1h33m43s"}, EVENING),
        ({"DATE-OBS": "2017-12-20", "UT": 1.5}, utc(2017, 12, 20, 1, 30)),
        ({"DATE-OBS": "2017-12-20", "UTC": 5623.0}, EVENING),
        ({"DATE-OBS": "2017-12-20", "EXPSTART": 58107.5}, utc(2017, 12, 20, 12)),
        ({"DATE-OBS": "2017-12-20", "UTSTART": "2017-12-20T01:33:43"}, EVENING),
        ({"DATE-OBS": "2017-12-20", "DATE-BEG": "2017-12-20T01:33:43"}, EVENING),
        ({"DATE-OBS": "2017-12-20", "TIME-OBS": "2017-12-20T01:33:43"}, EVENING),
        ({"DATE-OBS": "2017-12-20T00:00:00", "UT": "01:33:43"}, EVENING),
        ({"DATE-OBS": "20-Dec-2017", "UT": "01:33:43"}, EVENING),
        ({"DATE-OBS": "2017 December 20 01:33:43"}, EVENING),
        ({"JD": 2458108.0}, utc(2017, 12, 20, 12)),
        ({"JD": "2458108,0"}, utc(2017, 12, 20, 12)),
        ({"JD_UTC": 2458108.25}, utc(2017, 12, 20, 18)),
        ({"MJD-OBS": "58107.5"}, utc(2017, 12, 20, 12)),
        ({"MJD-OBS": 2458108.0}, utc(2017, 12, 20, 12)),
        ({"EXPSTART": "2017-12-20T01:33:43"}, EVENING),
        ({"DATE-AVG": "2017-12-20T01:33:48", "EXPTIME": 10.0}, EVENING),
        ({"DATE-END": "2017-12-20T01:33:53", "EXPTIME": "10,0"}, EVENING),
        ({"MJD-END": 58107.5, "EXPOSURE": 43200.0}, utc(2017, 12, 20)),
    ],
)
def test_each_way_of_writing_a_date_is_understood(header: dict[str, Any], expected: float) -> None:
    assert observation_date([header]) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "surely_ut",
    [{"UT-OBS": "2017-12-20T01:33:43-0000"}, {"UT-OBS": "01:33:43"}, {"MJD-OBS": 58107.0650810}],
)
def test_a_local_date_without_zone_gives_way_to_what_is_surely_ut(
    surely_ut: dict[str, Any],
) -> None:
    header = {"DATE-OBS": "2017-12-19T18:33:43"} | surely_ut

    assert observation_date([header]) == pytest.approx(EVENING, abs=0.1)


def test_a_rounded_mjd_does_not_make_the_date_coarse() -> None:
    header = {"DATE-OBS": "2017-12-20T01:33:43", "MJD-OBS": 58107.065}

    assert observation_date([header]) == EVENING


def test_atomic_and_terrestrial_time_are_taken_to_utc() -> None:
    terrestrial = {"DATE-OBS": "2017-12-20T01:34:52.184", "TIMESYS": "TT"}

    assert observation_date([terrestrial]) == pytest.approx(EVENING, abs=1e-3)


def test_a_time_of_day_beats_a_day_in_whatever_header_it_is() -> None:
    day, full = {"DATE-OBS": "2017-12-20"}, {"DATE-OBS": "2017-12-20T01:33:43"}
    headers: list[list[dict[str, Any]]] = [
        [day, full],
        [full, day],
        [day, {}, {"MJD-OBS": 58107.0650810}],
        [day, {"TIME-OBS": "01:33:43"}],
        [{"UT": "01:33:43"}, day],
    ]
    for each in headers:
        assert observation_date(each) == pytest.approx(EVENING, abs=0.1), each
    assert observation_date([{}, day]) == utc(2017, 12, 20)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1e300, "1e999", True, -5, "", "x" * 99]
)
def test_an_absurd_julian_date_is_none(value: object) -> None:
    for keyword in ("JD", "MJD-OBS", "EXPSTART"):
        with pytest.raises(ValueError, match="has no observation date"):
            observation_date([{keyword: value}])


def test_the_first_header_with_a_date_counts() -> None:
    headers: list[dict[str, Any]] = [
        {"DATE-OBS": "n/a"},
        {"DATE-OBS": "2017-12-20T01:33:43"},
        {"MJD-OBS": 50000.5},
    ]

    assert observation_date(headers) == EVENING


@pytest.mark.parametrize(
    "text",
    ["yesterday-ish", "2026-02-30", "2026-01-01T25:00:00", "0000-00-00T00:00:00", "32/01/99"],
)
def test_what_is_no_date_is_shown_in_the_error(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read") as raised:
        observation_date([{"DATE-OBS": text}])

    assert text in str(raised.value)


def test_without_any_date_the_keywords_are_named() -> None:
    with pytest.raises(ValueError, match=r"no observation date .DATE-OBS, UT-OBS, MJD-OBS"):
        observation_date([{}, {"MJD-OBS": 0.0}, {"MJD-OBS": True}])


@given(st.text(alphabet="0123456789-+:T/. Z", max_size=30) | st.text())
def test_no_text_makes_the_parser_raise(text: str) -> None:
    parse_date(text)


@given(st.datetimes(min_value=datetime(1700, 1, 1)), st.integers(-12 * 4, 14 * 4))
def test_a_zone_moves_the_clock_by_as_much(moment: datetime, quarters: int) -> None:
    sign, minutes = "-" if quarters < 0 else "+", abs(quarters) * 15
    zone = f"{sign}{minutes // 60:02}:{minutes % 60:02}"
    there = parse_date(f"{moment:%Y-%m-%dT%H:%M:%S}{zone}")
    here = parse_date(f"{moment:%Y-%m-%dT%H:%M:%S}Z")

    assert there is not None
    assert here is not None
    assert there.seconds == here.seconds - quarters * 900
