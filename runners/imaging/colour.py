"""Colours: the mosaic of a one-shot-colour camera as red, green and blue planes, and their grey.

Planes have the shape (3, height, width). Brightness is left to `brightness`.
"""

from __future__ import annotations

import numpy as np

from runners.fits.images import Image
from runners.fits.science import Stored
from runners.imaging.sky import find_sky

#: The order of planes.
COLOURS = "RGB"
#: The four pixels of a mosaic's pattern, as (y, x), in the order of BAYERPAT.
CORNERS = ((0, 0), (0, 1), (1, 0), (1, 1))


def superpixels(mosaic: Stored, pattern: str) -> Image:
    """Return the planes of a mosaic at half its size: each 2 x 2 pixels are one, greens averaged.

    A last row or column without a partner is left out.
    """
    height, width = mosaic.shape[0] // 2, mosaic.shape[1] // 2
    corners = [mosaic[y : 2 * height : 2, x : 2 * width : 2] for y, x in CORNERS]
    planes = np.empty((3, height, width), np.float32)
    for plane, colour in zip(planes, COLOURS, strict=True):
        first, *others = (
            corner for corner, own in zip(corners, pattern, strict=True) if own == colour
        )
        plane[:] = first
        for other in others:
            plane += other
        plane /= len(others) + 1
    return planes


def interpolated(mosaic: Stored, pattern: str) -> Image:
    """Return the planes of a mosaic at its full size, bilinear; blank pixels are left out.

    Where a plane has no pixel near, it is NaN.
    """
    present = ~np.isnan(mosaic)
    known = np.where(present, mosaic, np.float32(0))
    planes = np.empty((3, *mosaic.shape), np.float32)
    for plane, colour in zip(planes, COLOURS, strict=True):
        own = np.zeros(mosaic.shape, np.float32)
        for (y, x), name in zip(CORNERS, pattern, strict=True):
            if name == colour:
                own[y::2, x::2] = present[y::2, x::2]
        with np.errstate(invalid="ignore"):
            np.divide(_blurred(known * own), _blurred(own), out=plane)
    return planes


def grey(planes: Image) -> Image:
    """Return the mean of red, green and blue; of an image without planes, the image itself."""
    if planes.ndim == 2:
        return planes
    mean: Image = planes[0] + planes[1]
    mean += planes[2]
    mean *= np.float32(1 / 3)
    return mean


def balanced(mosaic: Image) -> tuple[Image, Image]:
    """Return a mosaic without the colour of its sky, as if of a grey camera, and what was taken."""
    tint = np.empty((2, 2), np.float32)
    for y, x in CORNERS:
        tint[y, x] = find_sky(mosaic[y::2, x::2]).level
    tint -= tint.mean()
    down, across = (-(-side // 2) for side in mosaic.shape)
    taken = np.tile(tint, (down, across))[: mosaic.shape[0], : mosaic.shape[1]]
    return mosaic - taken, taken


def _blurred(image: Image) -> Image:
    """Return the sums of 3 x 3 pixels weighted 1 2 1, 2 4 2, 1 2 1."""
    # Reflected at the edge, which keeps the pattern.
    wide = np.pad(image, 1, mode="reflect")
    rows = wide[1:-1] * np.float32(2)
    rows += wide[:-2]
    rows += wide[2:]
    blurred: Image = rows[:, 1:-1] * np.float32(2)
    blurred += rows[:, :-2]
    blurred += rows[:, 2:]
    return blurred
