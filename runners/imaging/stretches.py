"""Stretches, from brightness to the grey levels of a preview: that of films, and common others.

Black and white levels come from the image alone; size and format are left to `preview`.
"""

from __future__ import annotations

import numpy as np

from runners.fits.images import Image
from runners.imaging.brightness import GreyImage, levels, stretched

#: The first one is the default.
STRETCHES = ("asinh", "zscale", "linear", "sqrt", "log")
#: How many sigma below the sky black lies in the last three.
BLACK_SIGMA = 1.5
#: As in astropy's LogStretch and DS9: how steep the logarithm is.
LOG_STEEPNESS = 1000.0


def shades(image: Image, stretch: str) -> GreyImage:
    """Return the grey levels, 0 to 255, of a 2-D image without NaN; the shape is unchanged."""
    if stretch == "asinh":
        return stretched(image, levels(image))
    part = _part(image, *(_zscale(image) if stretch == "zscale" else _sky_to_white(image)))
    if stretch == "sqrt":
        part = np.sqrt(part)
    elif stretch == "log":
        part = np.log1p(part * LOG_STEEPNESS) / np.float32(np.log1p(LOG_STEEPNESS))
    drawn: GreyImage = np.rint(part * 255).astype(np.uint8)
    return drawn


def _part(image: Image, low: float, high: float) -> Image:
    """Return where each pixel lies between black and white, 0 to 1."""
    part = (image - np.float32(low)) / np.float32(max(high - low, 1e-30))
    return np.clip(part, 0, 1, out=part)


def _sky_to_white(image: Image) -> tuple[float, float]:
    found = levels(image)
    return found.sky - BLACK_SIGMA * found.sigma, found.white


def _zscale(image: Image) -> tuple[float, float]:
    """Return IRAF's limits, from the slope of the ranked samples without the few bright ones."""
    from astropy.visualization import ZScaleInterval  # slow to import, and seldom needed

    low, high = ZScaleInterval().get_limits(image)
    return float(low), float(high)
