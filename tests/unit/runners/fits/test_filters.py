"""The filter of an exposure, whichever keyword or wheel it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runners.fits.filters import filter_of
from runners.fits.images import find_frame
from runners.fits.metadata import fits_metadata
from tests.fakes.sky import noise, write_fits


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"FILTER": "rp", "FILTER1": "air", "FILTER2": "rp"}, "rp"),
        ({"FILTER1": "CLEAR1L", "FILTER2": "F814W"}, "F814W"),
        ({"FILTER1": "air", "FILTER2": " ", "FILTER3": "B"}, "B"),
        ({"FILTER1": "V", "FILTER2": "ND2"}, "V + ND2"),
        ({"FILTNAM1": "F555W"}, "F555W"),
        ({"FILTERS": "air,air,R"}, "R"),
        ({"FILTERID": 2}, "2"),
        ({"INSFILTE": "<NO FILTER>"}, None),
        ({"FILTER": "open"}, None),
        ({"FILTER": "Clear"}, "Clear"),
        ({"FILTER": "Clear", "FILTER2": "Ha"}, "Ha"),
        ({"FILTER": "N/A", "FILTER01": "L"}, "L"),
        ({"FILTER": True}, None),
    ],
)
def test_the_filter_is_told_by_any_wheel(
    tmp_path: Path, cards: dict[str, Any], expected: str | None
) -> None:
    path = write_fits(tmp_path / "a.fits", noise(), **cards)
    facts = fits_metadata(path)

    assert facts is not None
    assert facts["filter"] == find_frame(path).layout.filter == expected


def test_the_first_header_that_has_one_decides() -> None:
    headers = [{"FILTER": "none"}, {"FILTER2": "V"}, {"FILTER": "B"}]
    assert filter_of(headers) == "V"
    assert filter_of([]) is None


def test_a_long_name_is_cut() -> None:
    assert filter_of([{"FILTER": "V" * 1000}]) == "V" * 200


def test_a_name_may_be_anything_that_a_card_holds() -> None:
    assert filter_of([{"FILTER": 12.5}]) == "12.5"
    assert filter_of([{"FILTER": "air;free|"}]) == "free"
