"""Alignment: frames that have drifted, turned or been flipped end up on top of the first one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from runners.imaging import alignment
from runners.imaging.alignment import aligned, motion, moved, star_places
from tests.fakes.sky import noise

needs_package = pytest.mark.skipif(alignment.missing() is not None, reason=str(alignment.missing()))
Image = NDArray[np.float32]
HEIGHT, WIDTH = 120, 160
STARS = np.random.default_rng(3).uniform((15, 15), (WIDTH - 15, HEIGHT - 15), (15, 2))
LIGHT = np.random.default_rng(4).uniform(500, 5000, 15)


def field(matrix: NDArray[np.float64] | None = None, seed: int = 1) -> Image:
    """Return a field of stars whose positions are transformed by a matrix."""
    image = noise(HEIGHT, WIDTH, seed=seed)
    places = (
        np.column_stack((STARS, np.ones(len(STARS)))) @ (np.eye(3) if matrix is None else matrix).T
    )
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    for (x, y, _), light in zip(places, LIGHT, strict=True):
        image += light * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / 4)
    return image


def turn(degrees: float, x: float = 0.0, y: float = 0.0) -> NDArray[np.float64]:
    """Return the matrix of a rotation about the centre and a shift."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about = np.array([[1, 0, WIDTH / 2], [0, 1, HEIGHT / 2], [0, 0, 1]])
    matrix = about @ np.array([[c, -s, x], [s, c, y], [0, 0, 1]]) @ np.linalg.inv(about)
    return np.asarray(matrix)


def test_what_to_install_is_said_when_the_package_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alignment, "PACKAGE", "no_such_package")
    assert alignment.missing() == (
        "no_such_package is not installed: pip install 'heliograph[align]'"
    )


def test_stars_are_found_where_they_are() -> None:
    found = star_places(field())
    brightest = STARS[LIGHT.argmax()]
    assert np.hypot(*(found[0] - brightest)) < 0.3


def test_moving_by_whole_pixels_is_exact() -> None:
    image = noise()
    shifted = moved(image, [[1, 0, 3], [0, 1, -2]], fill=7)
    np.testing.assert_array_equal(shifted[2:, :-3], image[:-2, 3:])
    assert (shifted[:2] == 7).all()
    assert (shifted[:, -3:] == 7).all()
    np.testing.assert_array_equal(moved(image, np.eye(3), 0), image)


def test_moving_by_half_a_pixel_is_the_mean() -> None:
    image = noise()
    half = moved(image, [[1, 0, 0.5], [0, 1, 0]], fill=0)
    expected = (image[:, :-1] + image[:, 1:]) / 2
    np.testing.assert_allclose(half[1:-1, 1:-2], expected[1:-1, 1:-1], rtol=1e-4)


@needs_package
@pytest.mark.parametrize(
    "matrix",
    [turn(0), turn(0, 10.4, -7.3), turn(2, -5, 3), turn(180), turn(180, 4, 9)],
    ids=["none", "drift", "turn", "flip", "flip and drift"],
)
def test_stars_come_to_lie_where_they_were(matrix: NDArray[np.float64]) -> None:
    reference = star_places(field())
    registered = aligned(field(matrix, seed=2), reference, 300.0)
    assert registered is not None
    found = star_places(registered.image)
    distances = [np.hypot(*(reference - place).T).min() for place in found[:8]]
    assert max(distances) < 0.5
    shift, degrees = motion(matrix, WIDTH, HEIGHT)
    np.testing.assert_allclose(registered.shift, shift, atol=0.3)
    assert abs((registered.degrees - degrees + 180) % 360 - 180) < 0.3


@needs_package
def test_frames_without_stars_in_common_are_not_aligned() -> None:
    reference = star_places(field())
    assert aligned(noise(HEIGHT, WIDTH), reference, 300.0) is None
    assert aligned(field(), np.empty((0, 2)), 300.0) is None
    others = np.random.default_rng(9).uniform(15, 100, (20, 2))
    assert aligned(field(), others, 300.0) is None
