"""Cosmic rays taken out of a single exposure, at a small part of the cost of the usual way.

After L.A.Cosmic (van Dokkum 2001, PASP 113, 1420): a ray has sharper edges than a star, and fine
structure that no star has. But medians are taken of the few sharp pixels only, and once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

#: A pixel is looked at if its Laplacian is so many sigma over none …
SHARP_SIGMA = 5.0
#: … and is a ray if it rises over its neighbours this many times as much as those over theirs. A
#: star of FWHM 2 pixels, as wide as well sampled ones are at least, reaches 3.5.
CONTRAST = 5.0
#: Pixels looked at for the noise.
SAMPLES = 30_000
SIGMA_OF_MAD = 1.4826
#: Pixels whose neighbours are gathered at the same time: bounds memory in crowded fields.
AT_ONCE = 100_000

_REACH = 2
_OFFSETS = [(y, x) for y in range(-_REACH, _REACH + 1) for x in range(-_REACH, _REACH + 1)]
_NEAR = [offset for offset in _OFFSETS if max(map(abs, offset)) < _REACH]
_RING = [offset for offset in _OFFSETS if max(map(abs, offset)) == _REACH]


def without_cosmic_rays(image: Image) -> Image:
    """The image, shape (height, width), each ray replaced by the median of the pixels around it.

    NaN stays, and so does what touches it or lies within two pixels of the edge. Stars must have
    a FWHM of two pixels, else they are taken for rays.
    """
    sharpness = _laplacian(image)
    limit = SHARP_SIGMA * _sigma(sharpness)
    rows, columns = np.nonzero(sharpness > limit)
    clean = image.copy()
    for start in range(0, len(rows), AT_ONCE):
        part = slice(start, start + AT_ONCE)
        _replace(clean, image, rows[part] + _REACH, columns[part] + _REACH, limit)
    return clean


def _laplacian(image: Image) -> Image:
    """How far each pixel lies over the mean of its four neighbours; two pixels less a side."""
    inner = image[_REACH:-_REACH, _REACH:-_REACH]
    beside = image[1:-3, 2:-2] + image[3:-1, 2:-2]
    beside += image[2:-2, 1:-3]
    beside += image[2:-2, 3:-1]
    beside *= np.float32(-0.25)
    beside += inner
    return beside


def _sigma(sharpness: Image) -> float:
    step = max(1, int((sharpness.size / SAMPLES) ** 0.5))
    sample = sharpness[::step, ::step]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return np.inf
    return float(SIGMA_OF_MAD * np.median(np.abs(sample))) or np.inf


def _replace(
    clean: Image, image: Image, rows: NDArray[np.intp], columns: NDArray[np.intp], limit: float
) -> None:
    near, ring = (
        np.median([image[rows + y, columns + x] for y, x in offsets], axis=0)
        for offsets in (_NEAR, _RING)
    )
    rise = image[rows, columns] - near
    # Comparisons with NaN are false, so that what touches one is left alone.
    rays = (rise > limit) & (rise > CONTRAST * (near - ring))
    clean[rows[rays], columns[rays]] = near[rays]
