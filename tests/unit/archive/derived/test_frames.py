"""The data products of a target as an observer sorts them: nights, and what cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.archive.derived.frames import NIGHT_SECONDS, PAUSE_SECONDS, nights_of, problem_of
from tests.fakes.some_records import a_product

FACTS = {"date": None, "exposure": None, "filter": None, "instrument": None}


def at(stamp: str) -> float:
    return datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("stamps", "nights"),
    [
        (["2017-12-20T01:33", "2017-12-20T06:00"], ["2017-12-20"]),  # in America
        (["2017-12-20T22:00", "2017-12-21T03:30"], ["2017-12-20"]),  # in Europe
        (["2017-12-20T22:00", "2017-12-21T22:00"], ["2017-12-20", "2017-12-21"]),
        # Around the Earth: nobody can say where a night ends.
        (
            [f"2017-12-20T{hour:02}:00" for hour in range(0, 24, 4)] + ["2017-12-21T02:00"],
            ["2017-12-20", "2017-12-21"],
        ),
        ([], []),
    ],
)
def test_a_night_is_named_by_the_date_on_which_it_began(
    stamps: list[str], nights: list[str]
) -> None:
    assert sorted(set(nights_of(map(at, stamps)).values())) == nights


@given(st.lists(st.floats(-6.2e10, 2.5e11), max_size=40))
def test_every_date_has_one_night_whatever_the_order(dates: list[float]) -> None:
    found = nights_of(dates)
    assert found == nights_of(reversed(dates))
    assert set(found) == set(dates)


@given(st.floats(0, 4e9), st.floats(1, PAUSE_SECONDS - 1))
def test_frames_with_a_short_pause_are_of_one_night(date: float, pause: float) -> None:
    assert pause < NIGHT_SECONDS
    assert len(set(nights_of([date, date + pause]).values())) == 1


@pytest.mark.parametrize("date", [1e18, -1e18])
def test_a_date_that_no_calendar_has_is_of_an_unknown_night(date: float) -> None:
    assert nights_of([date]) == {date: "unknown"}


def test_only_what_is_called_fits_and_is_not_cannot_be_read() -> None:
    assert problem_of(a_product(1, "notes.txt", b"x")) is None
    assert problem_of(a_product(1, "frame.FITS.gz", b"x")) is not None
    assert problem_of(a_product(1, "frame.fits", b"x", examinations_left=3)) is None
    assert problem_of(a_product(1, "frame.fits", b"x", fits=FACTS)) is None
    cut = a_product(1, "frame.fits", b"x", fits=FACTS | {"problem": "is cut short"})
    assert problem_of(cut) == "is cut short"
    assert cut.facts == FACTS
