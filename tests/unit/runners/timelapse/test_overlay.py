"""What is written on frames: within the picture, legible, and of the right length."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from runners.fits.images import pixel_scale
from runners.timelapse.overlay import Overlay, bar_of


@pytest.mark.parametrize(
    ("arcsec", "width", "expected"),
    [
        (None, 500, None),
        (1.8, 500, (67, "2'")),
        (0.39, 500, (77, '30"')),
        (0.01, 500, (100, '1"')),
        (30.0, 500, (120, "1°")),
        (1e9, 500, None),
        (1e-9, 500, None),
        (1.8, 16, None),
    ],
)
def test_the_bar_is_the_longest_round_length_that_fits(
    arcsec: float | None, width: int, expected: tuple[int, str] | None
) -> None:
    assert bar_of(arcsec, width) == expected


@pytest.mark.parametrize("sides", [(2, 16), (48, 64), (500, 300), (30, 4000)])
def test_a_frame_keeps_its_sides_and_its_own_copy(sides: tuple[int, int]) -> None:
    shades = np.full(sides, 32, np.uint8)
    drawn = Overlay("M 13", 1.8).drawn(shades, 1774058400.0)
    assert drawn.shape == sides
    assert (shades == 32).all()
    assert (drawn != 32).any() == (min(sides) > 20)


def test_each_thing_is_in_its_corner() -> None:
    shades = np.full((400, 600), 32, np.uint8)
    corners = {
        "title": np.s_[:200, :300],
        "other": np.s_[:200, 300:],
        "time": np.s_[200:, :300],
        "bar": np.s_[200:, 300:],
    }

    def written(overlay: Overlay, date: float | None) -> set[str]:
        drawn = overlay.drawn(shades, date)
        return {name for name, corner in corners.items() if (drawn[corner] == 255).any()}

    assert written(Overlay("M 13", 1.8), 1774058400.0) == {"title", "time", "bar"}
    assert written(Overlay("M 13"), 1774058400.0) == {"title", "time"}
    assert written(Overlay("M 13"), None) == {"title"}
    assert written(Overlay(""), None) == set()


def test_the_bar_is_as_long_as_it_says() -> None:
    drawn = Overlay("", 1.8).drawn(np.zeros((400, 600), np.uint8), None)
    assert max((row == 255).sum() for row in drawn) == 67 + 1, "both ends included"


SIDES = (16, 20, 32, 33, 48, 64, 100, 178, 240, 333, 500, 1080, 2160, 4096)


@pytest.mark.parametrize("title", ["M 13", "NGC 7023, the Iris Nebula, filter L-eXtreme 2"])
@pytest.mark.parametrize("arcsec", [None, 0.01, 1.8, 30.0])
def test_labels_are_inside_and_apart_at_any_size(title: str, arcsec: float | None) -> None:
    for width, height in product(SIDES, SIDES):
        labels = Overlay(title, arcsec).labels(width, height, 1774058400.0)
        for label in labels:
            left, top, right, bottom = label.box
            assert 0 <= left < right <= width, (width, height, label)
            assert 0 <= top < bottom <= height, (width, height, label)
            assert label.bar <= right - left
        for one, other in combinations(labels, 2):
            are_apart = (
                one.box[2] <= other.box[0]
                or other.box[2] <= one.box[0]
                or one.box[3] <= other.box[1]
                or other.box[3] <= one.box[1]
            )
            assert are_apart, (width, height, labels)
        if min(width, height) >= 32:
            assert ":" in labels[0].text, "there is room for the time"
        if min(width, height) >= 240:
            assert len(labels) == 2 + (bar_of(arcsec, width) is not None)


@pytest.mark.parametrize("sides", [(32, 32), (100, 178), (178, 100), (640, 480), (300, 900)])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_nothing_is_drawn_outside_the_boxes(sides: tuple[int, int], shape: tuple[int]) -> None:
    overlay, (width, height) = Overlay("Größe: gjpqy " * 9, 1.8), sides
    drawn = overlay.drawn(np.full((height, width, *shape), 32, np.uint8), 1774058400.0)
    changed = (drawn != 32).reshape(height, width, -1).any(axis=2)
    for label in overlay.labels(width, height, 1774058400.0):
        left, top, right, bottom = label.box
        assert (drawn[top:bottom, left:right] > 150).any()
        changed[top:bottom, left:right] = False

    assert not changed.any()


def test_text_on_colours_is_white() -> None:
    drawn = Overlay("M 13").drawn(np.zeros((100, 200, 3), np.uint8), None)

    assert (drawn == drawn[:, :, :1]).all()
    assert drawn.max() > 200


def test_a_long_title_is_cut_with_an_ellipsis() -> None:
    (title,) = Overlay("A very long name of a target " * 5).labels(200, 100, None)

    assert title.text.startswith("A very long")
    assert title.text.endswith("…")


@pytest.mark.parametrize("date", [1e18, -1e18, float("nan")])
def test_a_date_that_no_calendar_has_is_left_out(date: float) -> None:
    assert [label.text for label in Overlay("M 13").labels(500, 300, date)] == ["M 13"]


@pytest.mark.parametrize("title", ["x" * 500, "星 🔭 \u202e", "\x00\n\r\t", "ß" * 3])
def test_any_title_can_be_written(title: str) -> None:
    assert Overlay(title).drawn(np.zeros((100, 100), np.uint8), 0.0).shape == (100, 100)


WCS = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"CDELT1": -0.0005, "CDELT2": 0.0005}, 1.8),
        ({"CD1_1": 0.0, "CD1_2": 0.0005, "CD2_1": 0.0005, "CD2_2": 0.0}, 1.8),
        ({"CDELT1": 0.001, "CDELT2": 0.001, "PC1_1": 0.5, "PC2_2": 0.5}, 1.8),
        ({}, None),
        ({"CDELT1": "?", "CDELT2": 1}, None),
        ({"CD1_1": 0.0}, None),
        ({"CDELT1": 0.0005, "CDELT2": 0.0005, "CTYPE1": "LINEAR"}, None),
    ],
)
def test_the_scale_of_pixels_is_read_from_the_header(
    cards: dict[str, object], expected: float | None
) -> None:
    found = pixel_scale(WCS | cards)
    assert found == (None if expected is None else pytest.approx(expected))
