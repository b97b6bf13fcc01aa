"""Scaling: sides, crops and the averaging of areas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runners.imaging import scaling
from runners.imaging.scaling import rescale, view_of
from tests.fakes.sky import noise


@given(
    st.integers(16, 5000),
    st.integers(16, 5000),
    st.integers(16, 2000),
    st.floats(0.1, 1.0),
    st.booleans(),
)
def test_the_shown_box_is_within_the_image_and_keeps_its_shape(
    width: int, height: int, size: int, crop_scale: float, even: bool
) -> None:
    view = view_of(width, height, size, crop_scale=crop_scale, even=even)
    left, lower, right, upper = view.box

    assert 0 <= left < right <= width + 1e-6
    assert 0 <= lower < upper <= height + 1e-6
    assert 0 < view.width <= max(size, 2)
    assert 0 < view.height <= max(size, 2)
    assert not (even and (view.width % 2 or view.height % 2))
    if min(view.width, view.height) > 2:
        wide, high = (right - left) / view.width, (upper - lower) / view.height
        assert wide == pytest.approx(high, rel=1e-3)
        assert wide > 0.999  # nothing is enlarged


def test_the_longest_side_gets_the_wanted_size() -> None:
    view = view_of(1392, 1040, 500)

    assert (view.width, view.height) == (500, 372)


def test_a_crop_keeps_the_part_around_the_centre_pixel() -> None:
    image = np.zeros((100, 120), np.float32)
    image[50, 60] = 1
    cropped = rescale(image, view_of(120, 100, 500, crop_scale=0.5))

    assert cropped.shape == (50, 60)
    assert cropped[25, 30] == 1


def test_an_image_that_is_small_already_is_not_touched() -> None:
    image = noise(99, 127)

    np.testing.assert_array_equal(rescale(image, view_of(127, 99, 500)), image[:98, :126])


def test_the_mean_brightness_survives_the_downscale() -> None:
    image = np.random.default_rng(2).exponential(50, (400, 600)).astype(np.float32)
    small = rescale(image, view_of(600, 400, 90))

    assert small.shape == (60, 90)
    assert small.mean() == pytest.approx(image.mean(), rel=1e-4)


def test_blank_pixels_do_not_darken_their_surroundings() -> None:
    image = np.full((200, 200), 7, np.float32)
    image[::3, ::3] = np.nan
    image[:40, :40] = np.nan
    small = rescale(image, view_of(200, 200, 50))

    assert np.isnan(small[:10, :10]).all(), "nothing is known of these"
    small[:10, :10] = 7
    np.testing.assert_allclose(small, 7, rtol=1e-5)


def means_by_definition(image: np.ndarray, begin: float, end: float, count: int) -> np.ndarray:
    """Average rows one by one, in double precision."""
    edges = np.linspace(begin, end, count + 1)
    rows = np.arange(len(image))
    shares = np.minimum(rows + 1, edges[1:, None]) - np.maximum(rows, edges[:-1, None])
    return np.asarray(shares.clip(0) @ image.astype(np.float64) / (end - begin) * count)


@pytest.mark.parametrize(
    ("sides", "size", "crop_scale"),
    [
        ((494, 650), 500, 1.0),
        ((61, 47), 44, 1.0),
        ((300, 1700), 120, 0.7),
        ((1100, 90), 100, 1.0),
        ((700, 700), 3, 1.0),
        ((40, 9000), 600, 1.0),
        ((600, 3000), 500, 1.0),
        ((48, 6000), 1500, 1.0),
        ((480, 640), 240, 0.75),
        ((512, 512), 128, 0.5),
        ((301, 600), 100, 1.0),
    ],
)
def test_each_pixel_is_the_mean_of_its_area(
    sides: tuple[int, int], size: int, crop_scale: float
) -> None:
    image = np.random.default_rng(5).exponential(50, sides).astype(np.float32)
    view = view_of(sides[1], sides[0], size, crop_scale=crop_scale, even=False)
    left, lower, right, upper = view.box
    narrow = means_by_definition(image, lower, upper, view.height)

    wanted = means_by_definition(narrow.T, left, right, view.width).T
    for given_image in (image, np.asfortranarray(image), np.repeat(image, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(rescale(given_image, view), wanted, rtol=1e-5)


@pytest.mark.parametrize(
    ("begin", "end", "count", "period"),
    [
        (0.0, 650.0, 500, (10, 13)),
        (60.0, 710.0, 500, (10, 13)),
        (0.0, 2048.0, 1024, (8, 16)),
        (0.0, 1000.0, 500, (5, 10)),
        (0.0, 21.0, 7, (1, 3)),
        (0.5, 650.5, 500, None),
        (0.0, 1392.0, 500, None),
        (0.0, 400.0, 4, None),
    ],
)
def test_shares_repeat_where_pixels_and_those_of_the_view_meet_again(
    begin: float, end: float, count: int, period: tuple[int, int] | None
) -> None:
    assert scaling._period(begin, end, count) == period


def test_a_blank_pixel_costs_only_itself() -> None:
    image = np.full((260, 390), 7, np.float32)
    image[100:104, 200] = np.nan
    shown = rescale(image, view_of(390, 260, 300))

    np.testing.assert_allclose(shown, 7, rtol=1e-5)
