"""Stretches: the sky dark enough, the stars bright, nothing out of bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.files.previews import STRETCHES as OFFERED
from handlers.files.previews import USUAL_STRETCH
from runners.imaging.showing import Scene
from runners.imaging.stretches import STRETCHES, shades
from tests.fakes.sky import noise

every_stretch = pytest.mark.parametrize("stretch", STRETCHES)


def test_what_is_offered_is_what_can_be_drawn() -> None:
    assert tuple(OFFERED) == STRETCHES
    assert STRETCHES[0] == USUAL_STRETCH


@every_stretch
def test_stars_are_brighter_than_the_sky(stretch: str) -> None:
    image = noise(100, 120)
    image[40:44, 50:54] += 3000
    drawn = shades(Scene(image, image), stretch)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8
    assert drawn[40:44, 50:54].min() > np.median(drawn) + 60


@every_stretch
@given(
    level=st.floats(-(2.0**99), 2.0**99, width=32), spread=st.sampled_from([0.0, 1e-6, 1.0, 1e30])
)
def test_no_image_is_too_odd(stretch: str, level: float, spread: float) -> None:
    image = np.full((20, 30), level, np.float32) + noise(20, 30) * np.float32(spread)
    image = image.astype(np.float32)
    with np.errstate(all="ignore"):
        drawn = shades(Scene(image, image), stretch)
    assert drawn.shape == image.shape


def test_stretches_differ() -> None:
    image = noise(100, 120)
    image[10:90:8, 10:110:8] += np.arange(130, dtype=np.float32).reshape(10, 13) * 20
    assert len({shades(Scene(image, image), stretch).tobytes() for stretch in STRETCHES}) == len(
        STRETCHES
    )
