"""Cosmic rays: sharp pixels go, stars and everything else stay."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from runners.imaging.cosmic_rays import without_cosmic_rays
from tests.fakes.sky import noise

Image = NDArray[np.float32]
RAYS = [(20, 30), (40, 41), (40, 42), (41, 43), (60, 20)]


def star(image: Image, x: float, y: float, light: float, sigma: float) -> None:
    """Add a star whose brightest pixel has about this much light."""
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    image += light * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))


def test_rays_go_and_the_rest_stays_bit_by_bit() -> None:
    sky = noise(80, 100)
    star(sky, 70, 50, 5000, 1.3)
    hit = sky.copy()
    for number, (row, column) in enumerate(RAYS):
        hit[row, column] += 300 + 2000 * number
    clean = without_cosmic_rays(hit)
    changed = [tuple(place) for place in np.argwhere(clean != hit).tolist()]
    assert set(changed) >= set(RAYS)
    assert len(changed) <= len(RAYS) + 2
    assert all(abs(clean[place] - 300) < 40 for place in RAYS)
    assert hit[RAYS[0]] > 500, "the given image is not changed"


@pytest.mark.parametrize("sigma", [0.85, 1.0, 1.3, 3.0])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (0.5, 0.0)])
@pytest.mark.parametrize("light", [100.0, 3000.0, 60_000.0])
def test_a_star_of_two_pixels_or_more_stays(
    sigma: float, offset: tuple[float, float], light: float
) -> None:
    image = noise(64, 64)
    star(image, 32 + offset[0], 30 + offset[1], light, sigma)
    around = np.s_[24:38, 24:42]
    before = image[around].sum() - 300 * image[around].size
    after = without_cosmic_rays(image)[around].sum() - 300 * image[around].size
    assert after == pytest.approx(before, rel=0.02, abs=60)


def test_a_gradient_is_no_ray() -> None:
    image = noise(80, 100) + np.linspace(0, 20_000, 100, dtype=np.float32)
    assert (without_cosmic_rays(image) != image).sum() <= 2


def test_blank_pixels_stay_blank_and_harm_nothing() -> None:
    image = noise()
    image[10:20, 10:20] = np.nan
    image[40, 40] += 5000
    clean = without_cosmic_rays(image)
    assert np.array_equal(np.isnan(clean), np.isnan(image))
    assert clean[40, 40] < 400


@pytest.mark.parametrize(
    "image", [np.full((16, 16), np.nan), np.zeros((16, 16)), np.full((16, 40), 7.0)]
)
def test_images_without_noise_stay_as_they_are(image: Image) -> None:
    image = image.astype(np.float32)
    np.testing.assert_array_equal(without_cosmic_rays(image), image)
