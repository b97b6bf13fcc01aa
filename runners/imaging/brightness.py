"""How bright each pixel is shown: the levels of a frame, smoothed along a series, and a stretch.

Levels come from many pixels rather than from ZScale, whose lower limit is about the least of a
thousand samples and would make a film flicker. Reading and sorting frames is left to `timelapse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from statistics import median
from typing import TypeVar

import numpy as np
import sep
from numpy.typing import NDArray

from runners.fits.images import Image

#: Grey levels from 0 to 255, shape (height, width).
GreyImage = NDArray[np.uint8]
T = TypeVar("T")

#: The grey level of the sky, of 255: dark, with room for its noise, the same in every frame.
SKY_SHADE = 32
#: The stretch is linear below about this many sigma over the sky and logarithmic above.
LINEAR_SIGMA = 6.0
#: The percentage of pixels that are brighter than white …
WHITE_PERCENT = 0.04
#: … which lies within these numbers of sigma above the sky: a frame without stars keeps a dark sky,
#: and a very bright star does not hide the faint ones.
WHITE_SIGMA = (20.0, 1000.0)
#: Steps of the stretch from black to white: finer than a grey level even near black.
STEPS = 2**15
#: How many frames before and after a frame its levels are smoothed over.
REACH = 4
#: Pixels sampled for the levels, whose error is then about 1 % of sigma.
SAMPLES = 30_000
#: White lies at most so many sigma above the sky: an image may have no noise at all.
MOST_RANGE = 3000.0
#: How far the mean of a Gaussian's ranks between 10 and 20 % lies below its median, in sigma.
LOW_RANKS_SIGMA = 1.0446
#: How many background meshes the longest side has: stars are smaller than one, gradients larger.
MESH_PART = 8
LEAST_MESH = 8


@dataclass(frozen=True, slots=True)
class Levels:
    """Levels in units of the image: the sky, its noise (one sigma), and white."""

    sky: float
    sigma: float
    white: float


def levels(image: Image) -> Levels:
    """Return the levels of a 2-D image without NaN.

    Sky and noise are means over ranks of brightness (the middle 40 %, and the tenth around minus
    one sigma, where there are no stars): raw images are integers, and their medians jump.
    """
    ranked = np.sort(_samples(image), axis=None)
    sky, low = _mean_of_ranks(ranked, 0.3, 0.7), _mean_of_ranks(ranked, 0.1, 0.2)
    white = float(ranked[round((len(ranked) - 1) * (1 - WHITE_PERCENT / 100))])
    noise = (sky - low) / LOW_RANKS_SIGMA
    # There is no noise if more than half of the pixels are equal (masked, or not of the sky).
    sigma = max(noise, (white - sky) / MOST_RANGE, abs(sky) * 1e-6, 1e-30)
    least, most = (sky + sigma * factor for factor in WHITE_SIGMA)
    return Levels(sky, sigma, min(max(white, least), most))


def subtract_background(image: Image) -> Image:
    """Return the image minus its background, as found by SEP (Barbary 2016, JOSS 1(6), 58)."""
    mesh = max(LEAST_MESH, max(image.shape) // MESH_PART)
    whole = np.require(image, np.float32, ["C", "W"])
    background = sep.Background(whole, bw=mesh, bh=mesh)
    flat: Image = whole - background.back(dtype=np.float32)
    return flat


def smooth_levels(
    series: Iterable[tuple[T, Levels, str]], reach: int = REACH
) -> Iterator[tuple[T, Levels]]:
    """Yield each item with smoothed levels, holding 2 * reach + 1 items at a time.

    `series` yields (item, levels, kind) in order. The sky level stays that of each frame, so that a
    drift does not show; noise and white are medians over neighbours of the same kind, so that odd
    frames (a satellite, a cloud) do not change the contrast.
    """
    coming = iter(series)
    held = list(islice(coming, reach + 1))
    place = 0
    while place < len(held):
        item, own, kind = held[place]
        yield item, _shared(own, [near for _, near, other in held if other == kind])
        held.extend(islice(coming, 1))
        if place < reach:
            place += 1
        else:
            del held[0]


def stretched(image: Image, levels: Levels) -> GreyImage:
    """Return grey levels from 0 to 255 by an inverse hyperbolic sine; the shape is unchanged.

    After Lupton et al. 2004, PASP 116, 133: linear for the faint, logarithmic for the bright. Black
    is chosen so that the sky gets the level SKY_SHADE.
    """
    softening = LINEAR_SIGMA * levels.sigma
    height = (levels.white - levels.sky) / softening
    depth = 0.0
    for _ in range(3):  # converges at once, as the logarithm hardly depends on the depth
        depth = math.sinh(SKY_SHADE / 255 * math.asinh(height + depth))
    places = image - np.float32(levels.sky - depth * softening)
    places *= np.float32((STEPS - 1) / ((height + depth) * softening))
    np.clip(places, 0, STEPS - 1, out=places)
    return _curve(height + depth)[places.astype(np.uint16)]


def _shared(own: Levels, near: list[Levels]) -> Levels:
    height = median(each.white - each.sky for each in near)
    return Levels(own.sky, median(each.sigma for each in near), own.sky + height)


@lru_cache(maxsize=8)
def _curve(top: float) -> GreyImage:
    """Return the grey level of each step from black to white: a table, as asinh is slow."""
    linear = np.linspace(0, top, STEPS, dtype=np.float32)
    shades: GreyImage = np.rint(np.arcsinh(linear) * (255 / math.asinh(top))).astype(np.uint8)
    return shades


def _samples(image: Image) -> Image:
    down = max(1, int((image.size / SAMPLES) ** 0.5))
    along = max(1, int(image.size / (SAMPLES * down)))
    return image[::along, ::down]


def _mean_of_ranks(ranked: NDArray[np.float32], least: float, most: float) -> float:
    count = len(ranked)
    some = ranked[int(count * least) : max(int(count * most), 1)]
    return float(some.mean(dtype=np.float64))
