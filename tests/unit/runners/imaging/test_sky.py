"""The sky of an image: where it is, its noise, and its slope, whatever else the image shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from runners.imaging.sky import find_sky
from tests.fakes.sky import noise

Image = NDArray[np.float32]


def places(height: int, width: int) -> tuple[Image, Image]:
    """Return x and y of each pixel, from -1 to 1."""
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    return x, y


def vignetted() -> Image:
    x, y = places(150, 200)
    return noise(150, 200) * 0 + 300 * (1 - 0.2 * (x**2 + y**2)) + noise(150, 200, 0.0)


def sloping() -> Image:
    x, y = places(150, 200)
    return noise(150, 200) + 150 * x + 80 * y


def with_overscan() -> Image:
    image = noise(150, 200)
    image[:, :30] = noise(150, 30, 20.0) / 5
    return image


def padded() -> Image:
    image = noise(150, 200)
    image[:, :90] = 0
    image[:60] = 0
    return image


def all_sky() -> Image:
    x, y = places(150, 200)
    return np.where(x**2 * 1.8 + y**2 < 0.9, noise(150, 200), noise(150, 200, 50.0) / 5)


def with_hot_pixels() -> Image:
    image = noise(150, 200)
    image[np.random.default_rng(3).random(image.shape) < 0.005] = 30_000
    return image


def with_blanks() -> Image:
    image = noise(150, 200)
    image[20:90, 30:120] = np.nan
    image[::7, ::5] = np.nan
    return image


def with_a_planet() -> Image:
    x, y = places(150, 200)
    image = noise(150, 200)
    disc = x**2 * 1.8 + y**2 < 0.1
    image[disc] += 3000 + 500 * np.sin(40 * y[disc])
    return image


def with_stars() -> Image:
    image = noise(150, 200)
    for row, column in np.random.default_rng(4).integers(3, 145, (80, 2)):
        image[row - 1 : row + 2, column - 1 : column + 2] += 900
    return image


KINDS = [
    vignetted,
    sloping,
    with_overscan,
    padded,
    all_sky,
    with_hot_pixels,
    with_blanks,
    with_a_planet,
    with_stars,
]


@pytest.mark.parametrize("kind", KINDS)
def test_the_noise_of_the_sky_is_found_whatever_else_there_is(kind: object) -> None:
    sky = find_sky(kind())  # type: ignore[operator]

    assert sky.sigma == pytest.approx(10, rel=0.12)
    assert sky.level == pytest.approx(255 if kind is vignetted else 300, abs=25)


@pytest.mark.parametrize("kind", [vignetted, sloping])
def test_a_slope_is_found(kind: object) -> None:
    image = kind()  # type: ignore[operator]
    slope = find_sky(image).departure(image.shape)
    flat = image - slope
    corners = [flat[:30, :40], flat[:30, -40:], flat[-30:, :40], flat[-30:, -40:], flat[60:90]]

    np.testing.assert_allclose([np.median(corner) for corner in corners], np.median(flat), atol=3)


def test_a_level_sky_has_hardly_a_slope() -> None:
    image = with_stars()
    slope = find_sky(image).departure(image.shape)

    assert slope is None or np.abs(slope).max() < 5


def test_a_nebula_in_a_part_of_the_field_is_no_slope_of_the_sky() -> None:
    x, y = places(150, 200)
    nebula = 400 * np.exp(-((x - 0.3) ** 2 + y**2) / 0.04)
    image = noise(150, 200) + nebula.astype(np.float32)
    slope = find_sky(image).departure(image.shape)

    assert (image - (0 if slope is None else slope))[75, 128:133].mean() > 600


def galaxy(width: float) -> Image:
    x, y = places(150, 200)
    far = np.hypot(x / width, y / width * 2)
    return (noise(150, 200) + 600 * np.exp(-far * 1.7)).astype(np.float32)


@pytest.mark.parametrize("width", [0.3, 0.5, 0.8])
def test_a_galaxy_in_half_the_field_has_no_dark_ring(width: float) -> None:
    image = galaxy(width)
    sky = find_sky(image)
    slope = sky.departure(image.shape)
    even = image - (0 if slope is None else slope)
    cells = np.median(even.reshape(10, 15, 10, 20).swapaxes(1, 2).reshape(10, 10, -1), axis=2)

    assert cells.min() > sky.level - 25
    middle = np.median(image[60:90, 80:120]) - 300
    assert cells[4:6, 4:6].mean() - sky.level > 0.9 * middle


def test_a_galaxy_hides_no_slope() -> None:
    x, _ = places(150, 200)
    image = galaxy(0.2) + 150 * x
    slope = find_sky(image).departure(image.shape)
    assert slope is not None
    corners = [(image - slope)[rows, columns] for rows in (slice(20), slice(130, 150))
               for columns in (slice(20), slice(180, 200))]  # fmt: skip

    np.testing.assert_allclose([np.median(corner) for corner in corners], 300, atol=15)


def test_beneath_clouds_everywhere_the_darkest_parts_are_sky() -> None:
    x, y = places(150, 200)
    clouds = 300 * (1 + np.sin(5 * x + 3 * y) * np.cos(4 * y - 2 * x))
    sky = find_sky((noise(150, 200) + clouds).astype(np.float32))

    assert sky.level == pytest.approx(300, abs=60)


def test_a_sky_of_twilight_is_evened() -> None:
    x, y = places(150, 200)
    twilight = 40_000 * np.exp(0.7 * y + 0.3 * x * y) * (1 - 0.15 * (x**2 + y**2))
    image = (noise(150, 200, 0.0) * 15 + twilight).astype(np.float32)
    even = image - find_sky(image).departure(image.shape)
    cells = np.median(even.reshape(10, 15, 10, 20).swapaxes(1, 2).reshape(10, 10, -1), axis=2)

    assert np.ptp(cells) < 6 * 150


def test_the_moon_is_no_sky_though_it_covers_a_third() -> None:
    x, y = places(150, 200)
    image = noise(150, 200)
    disc = (x - 0.2) ** 2 * 1.8 + y**2 < 0.7
    craters = np.sin(30 * x) * np.cos(25 * y) * 4000 + 20_000
    image[disc] += craters[disc]

    assert find_sky(image).level == pytest.approx(300, abs=20)


@pytest.mark.parametrize(
    "image",
    [
        np.full((40, 50), np.nan, np.float32),
        np.full((40, 50), 65535, np.float32),
        np.zeros((1, 2), np.float32),
        np.zeros((2, 1), np.float32),
        np.array([[1, np.nan]], np.float32),
        noise(3, 3),
        noise(16, 3000),
        noise(3000, 16),
        np.arange(65536, dtype=np.float32).reshape(256, 256),
        noise(64, 64) * np.float32(1e17),
        noise(64, 64) * np.float32(1e-17),
    ],
    ids=lambda image: f"{image.shape}",
)
def test_no_image_is_too_odd(image: Image) -> None:
    sky = find_sky(image, in_cells=True)
    assert np.isfinite((sky.level, sky.sigma)).all()
    assert np.isfinite(sky.background((image.shape[0], image.shape[1]))).all()


def test_whole_numbers_do_not_make_the_noise_vanish() -> None:
    image = np.rint(noise(100, 100) / 15)

    assert find_sky(image).sigma == pytest.approx(10 / 15, rel=0.25)


@pytest.mark.parametrize("is_clipped", [True, False])
@pytest.mark.parametrize("has_cells", [True, False])
def test_the_unevenness_is_the_slope_and_what_cells_differ_by(
    is_clipped: bool, has_cells: bool
) -> None:
    sky = find_sky(sloping(), in_cells=has_cells)
    assert sky.slope is not None
    reach = 0.0 if is_clipped else 1e9
    sky = replace(sky, lowest=-reach, highest=reach)
    sides = sloping().shape
    level, without_slope = replace(sky, slope=None), sky.departure((sides[0], sides[1]))
    assert without_slope is not None

    uneven = sky.unevenness((sides[0], sides[1]))
    wanted = without_slope + level.unevenness((sides[0], sides[1]))
    np.testing.assert_allclose(uneven, wanted, atol=1e-3)
    assert bool(without_slope.any()) is not is_clipped
    assert bool(uneven.any()) is (has_cells or not is_clipped)
    background = sky.background((sides[0], sides[1]))
    np.testing.assert_allclose(background, uneven + np.float32(sky.level), atol=1e-3)
