"""Hot pixels are taken out, and stars are not."""

from __future__ import annotations

import numpy as np

from runners.imaging.hot_pixels import without_hot_pixels
from tests.fakes.sky import noise

HOT = [(10, 12), (25, 40), (33, 61), (50, 7)]


def with_hot(count: int) -> np.ndarray:
    image = noise()
    for row, column in HOT[:count]:
        image[row, column] = 30_000
    return image


def with_stars() -> np.ndarray:
    y, x = np.mgrid[:64, :80]
    image = noise()
    for row, column in HOT:
        image += 30_000 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 1.0)
    return image.astype(np.float32)


def test_each_becomes_as_bright_as_its_brightest_neighbour() -> None:
    image = with_hot(4)
    before = image.copy()
    calm = without_hot_pixels(image)
    assert calm is not None
    assert np.array_equal(image, before), "the image itself is left as it is"
    changed = np.argwhere(calm != image)
    assert {(int(row), int(column)) for row, column in changed} == set(HOT)
    for row, column in HOT:
        around = (image[row - 1, column], image[row + 1, column])
        beside = (image[row, column - 1], image[row, column + 1])
        assert calm[row, column] == max(*around, *beside)


def test_those_of_whole_numbers_are_found_alike() -> None:
    image = np.rint(with_hot(4)) - 30_000
    for row, column in HOT:
        image[row, column] = 30_000  # 16 bits do not hold by how much they are brighter
    stored, calm = without_hot_pixels(image.astype(">i2")), without_hot_pixels(image)
    assert stored is not None
    assert calm is not None
    assert stored.dtype == np.dtype(">i2")
    np.testing.assert_array_equal(stored, calm)


def test_few_do_not_matter() -> None:
    assert without_hot_pixels(with_hot(2)) is None


def test_stars_stay() -> None:
    assert without_hot_pixels(with_stars()) is None


def test_an_image_without_room_or_without_pixels_has_none() -> None:
    assert without_hot_pixels(np.full((4, 400), 1e6, np.float32)) is None
    assert without_hot_pixels(np.full((40, 40), np.nan, np.float32)) is None
