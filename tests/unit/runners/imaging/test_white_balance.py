"""The usual star of a field is white, once there are enough of them; else daylight is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from runners.imaging.white_balance import DAYLIGHT, MOST_GAIN, STARS, gains

SIDE = 120
PLACES = [(x, y) for x in range(15, 110, 18) for y in range(15, 110, 18)]


def field(stars: int, colour: tuple[float, float, float]) -> NDArray[np.float32]:
    """Return planes with this many stars of one colour, on a sky with a noise of 10."""
    y, x = np.mgrid[:SIDE, :SIDE]
    light = np.zeros((SIDE, SIDE))
    for column, row in PLACES[:stars]:
        light += 3000 * np.exp(-((x - column) ** 2 + (y - row) ** 2) / 3.2)
    noise = np.random.default_rng(1).normal(300, 10, (3, SIDE, SIDE))
    return (noise + light * np.array(colour)[:, np.newaxis, np.newaxis]).astype(np.float32)


def test_the_factors_make_the_usual_star_white() -> None:
    colour = (0.8, 1.6, 1.0)
    factors = gains(field(30, colour), 6.0)
    balanced = factors * np.array(colour)
    assert np.ptp(balanced) < 0.05 * balanced.mean()
    assert factors.mean() == pytest.approx(1.0)


@pytest.mark.parametrize("stars", [0, STARS[0]])
def test_a_few_stars_decide_nothing(stars: int) -> None:
    assert gains(field(stars, (0.8, 1.6, 1.0)), 6.0) == pytest.approx(DAYLIGHT)


def test_no_factor_is_extreme() -> None:
    factors = gains(field(30, (0.05, 1.6, 1.0)), 6.0)
    assert factors.max() / factors.min() <= MOST_GAIN**2
    assert np.isfinite(factors).all()


def test_an_image_without_room_for_surroundings_has_no_stars() -> None:
    assert gains(np.ones((3, 8, 200), np.float32), 1.0) == pytest.approx(DAYLIGHT)
