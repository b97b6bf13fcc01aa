"""Removes cosmic rays from a single exposure, at a fraction of the usual cost.

After L.A.Cosmic (van Dokkum 2001, PASP 113, 1420): a ray has sharper edges than a star, and fine
structure that no star has. But medians are taken around the few sharp pixels only, and once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runners.fits.images import Image

#: A pixel is a candidate if its Laplacian is so many sigma above zero …
SHARP_SIGMA = 5.0
#: … and a ray if it exceeds its neighbours by this many times as much as they exceed theirs. A star
#: with a FWHM of 2 pixels, the least of well sampled ones, reaches 3.5.
CONTRAST = 5.0
#: Pixels sampled for the noise.
SAMPLES = 30_000
SIGMA_OF_MAD = 1.4826
#: Candidates whose neighbours are gathered at a time, which limits memory in crowded fields.
AT_ONCE = 100_000

_REACH = 2
_OFFSETS = [(y, x) for y in range(-_REACH, _REACH + 1) for x in range(-_REACH, _REACH + 1)]
_NEAR = [offset for offset in _OFFSETS if max(map(abs, offset)) < _REACH]
_RING = [offset for offset in _OFFSETS if max(map(abs, offset)) == _REACH]


def without_cosmic_rays(image: Image) -> Image:
    """Return the image, shape (height, width), with each ray replaced by the median around it.

    NaN pixels, their neighbours, and pixels within two of the edge are left unchanged. Stars need a
    FWHM of at least two pixels, or they are taken for rays.
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
    """Return each pixel minus the mean of its four neighbours, without a border of two pixels."""
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
    # Comparisons with NaN are false, so that its neighbours are left unchanged.
    rays = (rise > limit) & (rise > CONTRAST * (near - ring))
    clean[rows[rays], columns[rays]] = near[rays]
