"""White balance of one-shot-colour cameras, which see green about twice as well as red and blue.

The usual star of a field is white: that is how colours of stars are told apart, whatever the
camera. Nebulae do not count, as only what rises above its surroundings within a few pixels does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runners.fits.images import Image
from runners.imaging.colour import grey

#: A star rises by so many sigma above what lies so many pixels beside it.
STAR_SIGMA, BESIDE = 8.0, 4
#: With up to the first number of stars they do not count, from the second on nothing else does: the
#: few stars of a small field may well be red ones.
STARS = (4, 12)
#: What most cameras need to show sunlight as white, where no stars tell: planets, the moon.
DAYLIGHT = (1.3, 0.7, 1.0)
#: No camera's colours differ by more than this factor.
MOST_GAIN = 3.0


def gains(planes: Image, sigma: float) -> NDArray[np.float32]:
    """Return the factors of red, green and blue; `sigma` is the noise of the planes' grey."""
    colours = _star_colours(planes, sigma)
    least, most = STARS
    part = min(max((len(colours) - least) / (most - least), 0.0), 1.0)
    if not part:
        return np.asarray(DAYLIGHT, np.float32)
    usual = np.median(colours / colours.mean(axis=1, keepdims=True), axis=0)
    factors = np.clip(1 / np.maximum(usual, 1e-3), 1 / MOST_GAIN, MOST_GAIN) ** part
    factors *= np.asarray(DAYLIGHT) ** (1 - part)
    return np.asarray(factors * 3 / factors.sum(), np.float32)


def _star_colours(planes: Image, sigma: float) -> Image:
    """Return the red, green and blue of each star above its surroundings, shape (stars, 3)."""
    if min(planes.shape[1:]) <= 2 * BESIDE:
        return np.empty((0, 3), np.float32)
    rises = np.stack([_rise(plane) for plane in planes])
    whole, least = grey(rises), _least_rise(grey(planes))
    limit = max(STAR_SIGMA * sigma, 1e-30)
    rows, columns = np.nonzero(least[1:-1, 1:-1] > limit)
    rows, columns = rows + 1, columns + 1
    own = whole[rows, columns]
    is_peak = np.ones(len(rows), bool)
    for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        is_peak &= own >= whole[rows + down, columns + right]
    stars = rises[:, rows[is_peak], columns[is_peak]].T
    return stars[(stars > 0).all(axis=1)]


def _least_rise(plane: Image) -> Image:
    """Return each pixel minus the brightest of four beside it, without a border.

    No edge of a planet and no belt rises like that.
    """
    middle = slice(BESIDE, -BESIDE)
    beside = np.maximum(plane[: -2 * BESIDE, middle], plane[2 * BESIDE :, middle])
    np.maximum(beside, plane[middle, : -2 * BESIDE], out=beside)
    np.maximum(beside, plane[middle, 2 * BESIDE :], out=beside)
    return np.subtract(plane[middle, middle], beside, out=beside)


def _rise(plane: Image) -> Image:
    """Return each pixel minus the mean of four beside it, without a border."""
    middle = slice(BESIDE, -BESIDE)
    beside = plane[: -2 * BESIDE, middle] + plane[2 * BESIDE :, middle]
    beside += plane[middle, : -2 * BESIDE]
    beside += plane[middle, 2 * BESIDE :]
    rise: Image = plane[middle, middle] - beside / np.float32(4)
    return rise
