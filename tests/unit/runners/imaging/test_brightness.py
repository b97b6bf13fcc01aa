"""Brightness: levels of frames, steady along the series, and the stretch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from runners.imaging import brightness
from runners.imaging.brightness import (
    SKY_SHADE,
    Levels,
    levels,
    smooth_levels,
    stretched,
)
from runners.imaging.sky import find_sky
from tests.fakes.sky import noise


def test_sky_and_noise_are_found_beneath_stars() -> None:
    image = noise(200, 200)
    image[::10, ::10] += 5000
    found = levels(image)

    assert found.sky == pytest.approx(300, abs=1)
    assert found.sigma == pytest.approx(10, rel=0.05)
    assert found.white > 1000


def test_whole_numbers_do_not_make_the_sky_jump() -> None:
    skies = [levels(np.rint(noise(200, 200, 300 + i / 10) / 8)).sky * 8 for i in range(10)]

    np.testing.assert_allclose(np.diff(skies), 0.1, atol=0.15)


@pytest.mark.parametrize("value", [0.0, 1.0, -5.0, 65535.0, 1e30])
def test_an_image_of_one_value_is_shown_as_sky(value: float) -> None:
    image = np.full((32, 32), value, np.float32)

    assert np.unique(stretched(image, levels(image))).size == 1


def test_the_sky_is_dark_and_stars_of_all_kinds_differ() -> None:
    image = noise(200, 200)
    image[10, ::2] += np.geomspace(50, 50_000, 100)
    shades = stretched(image, levels(image)).astype(int)
    stars = shades[10, ::2]

    assert np.median(shades) == pytest.approx(SKY_SHADE, abs=1)
    assert stars[0] > SKY_SHADE + 15
    assert np.unique(stars).size > 50
    assert (shades == 255).mean() < 0.001


def test_a_gradient_of_the_sky_is_taken_away() -> None:
    image = noise(128, 160) + np.linspace(0, 500, 160, dtype=np.float32)
    flat = image - find_sky(image, in_cells=True).background(image.shape)

    assert np.median(flat[:, :20]) == pytest.approx(np.median(flat[:, -20:]), abs=3)


@pytest.mark.parametrize("sides", [(16, 16), (16, 500), (500, 16), (2, 250)])
def test_the_background_of_narrow_images_is_found_too(sides: tuple[int, int]) -> None:
    assert np.isfinite(find_sky(noise(*sides), in_cells=True).background(sides)).all()


def test_an_odd_frame_does_not_change_the_contrast() -> None:
    series = [("frame", Levels(100.0 + i, 5.0, 1000.0 + i, 30.0), "V") for i in range(20)]
    series[10] = ("satellite", Levels(110.0, 50.0, 9000.0, 300.0), "V")
    shared = [shown for _, shown in smooth_levels(series)]

    assert {each.sigma for each in shared} == {5.0}
    assert [each.white - each.sky for each in shared] == [900.0] * 20
    assert [each.sky for each in shared] == [100.0 + i for i in range(20)]


def test_frames_of_another_filter_do_not_count() -> None:
    series = [(i, Levels(100.0, 5.0 + 20 * (i % 2), 1000.0, 30.0), "VB"[i % 2]) for i in range(20)]

    assert [shared.sigma for _, shared in smooth_levels(series)] == [5.0, 25.0] * 10


@pytest.mark.parametrize("count", [0, 1, 3, 9, 10, 40])
def test_every_item_comes_out_once_and_few_are_held(count: int) -> None:
    taken = []

    def series() -> Iterator[tuple[int, Levels, str]]:
        for i in range(count):
            taken.append(i)
            yield i, Levels(0.0, 1.0, 2.0, 6.0), ""

    for place, (item, _) in enumerate(smooth_levels(series(), reach=4)):
        assert item == place
        assert len(taken) - place <= 5 or place == 0

    assert len(taken) == count


@pytest.mark.parametrize("kind", ["noise", "steps", "bright", "rising", "tiny", "blank"])
def test_white_is_what_few_pixels_exceed(kind: str) -> None:
    image = np.random.default_rng(6).normal(0, 1, (150, 200)).astype(np.float32)
    if kind == "steps":
        image = np.rint(image)
    elif kind == "bright":
        image[:, 40:] *= 1000
    elif kind == "rising":
        image = np.sort(image, axis=None).reshape(image.shape)
    elif kind == "tiny":
        image = image[:3, :5]
    elif kind == "blank":
        image[::2] = np.nan
    ranked = np.sort(image[~np.isnan(image)])
    white = ranked[round((ranked.size - 1) * (1 - 0.0004))]

    assert brightness._bright(image, 0.0)[1] == float(white)


@pytest.mark.parametrize("sides", [(700, 333), (3, 700, 333), (1, 70_001), (3, 2, 70_001)])
def test_a_picture_is_the_same_whatever_number_of_rows_is_stretched_at_a_time(
    sides: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = np.random.default_rng(7).normal(100, 30, sides).astype(np.float32)
    image[..., 0, 5] = np.nan
    shown = stretched(image, Levels(100, 10, 400, 60))
    monkeypatch.setattr(brightness, "CACHED", image.size)

    np.testing.assert_array_equal(shown, stretched(image, Levels(100, 10, 400, 60)))
    assert shown.shape == (sides if len(sides) == 2 else (*sides[1:], 3))
    upside_down = stretched(image[..., ::-1, :], Levels(100, 10, 400, 60))
    np.testing.assert_array_equal(upside_down, shown[::-1])
    assert upside_down.flags.c_contiguous
