"""Takes hot pixels out of an image, so that they do not decide how bright its stars are shown.

A hot pixel is far above the sky, and none of its neighbours shares its light, as they do in a star.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from runners.fits.images import Image
from runners.fits.science import Stored

#: Pixels sampled, and how many of these must be hot; fewer do not matter.
SAMPLES, LEAST_HOT = 16_000, 3
LEAST_SIDE = 5
#: Of these samples every so many-th tells the sky and the spread.
LIMIT_STEP = 7
#: A hot pixel exceeds the sky by so many times the spread of the image …
FAR = 10.0
#: … and its neighbours by this part of that. A star with a FWHM of 1.2 pixels reaches 0.85.
LONELY = 0.9


def without_hot_pixels(image: Stored) -> Stored | None:
    """Return a copy without hot pixels, each as bright as its brightest neighbour; None if few."""
    if min(image.shape) < LEAST_SIDE:
        return None
    step = max(1, round(math.sqrt(image.size / SAMPLES)))
    some = image[1:-1, 1:-1][::step, ::step].astype(np.float32)
    limit, sky = _limit(some)
    rows, columns = _places(some > limit)
    if len(_hot(image, rows * step + 1, columns * step + 1, sky)[0]) < LEAST_HOT:
        return None
    rows, columns = _places(image[1:-1, 1:-1] > np.float32(limit))
    rows, columns, near = _hot(image, rows + 1, columns + 1, sky)
    calm = image.copy()
    calm[rows, columns] = near
    return calm


def _places(chosen: NDArray[np.bool_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows and columns that are chosen; `nonzero` takes longer for a few of many."""
    rows, columns = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
    return rows, columns


def _limit(some: Image) -> tuple[float, float]:
    """Return what a hot pixel exceeds, and the sky."""
    values = some.ravel()[::LIMIT_STEP]
    values = values[~np.isnan(values)]
    if not values.size:
        return math.inf, 0.0
    half, most = values.size // 2, int(values.size * 0.84)
    ranked = np.partition(values, (half, most))
    sky, spread = float(ranked[half]), float(ranked[most] - ranked[half])
    return sky + FAR * max(spread, abs(sky) * 1e-6), sky


def _hot(
    image: Stored, rows: np.ndarray, columns: np.ndarray, sky: float
) -> tuple[np.ndarray, np.ndarray, Image]:
    near = image[rows - 1, columns].astype(np.float32)
    for down, right in ((1, 0), (0, -1), (0, 1)):
        near = np.fmax(near, image[rows + down, columns + right])
    rise = image[rows, columns].astype(np.float32)
    hot = rise - near > LONELY * (rise - sky)
    return rows[hot], columns[hot], near[hot]
