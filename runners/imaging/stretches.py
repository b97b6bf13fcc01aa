"""How brightness becomes shades in a preview: the timelapse's way, and those that people ask for.

Where black and white lie is found from the image alone; size and format are left to `preview`.
"""

from __future__ import annotations

import numpy as np

from runners.imaging.brightness import GreyImage, Image, levels, stretched

#: The first one is what is shown unless another is asked for.
STRETCHES = ("asinh", "zscale", "linear", "sqrt", "log")
#: Black lies so many sigma under the sky in the last three.
BLACK_SIGMA = 1.5
#: As in astropy's LogStretch and DS9: how steep the logarithm is.
LOG_STEEPNESS = 1000.0


def shades(image: Image, stretch: str) -> GreyImage:
    """GreyImage from 0 to 255 of a 2-D image without NaN, shape unchanged."""
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
    """How far each pixel lies from black to white, 0 to 1."""
    part = (image - np.float32(low)) / np.float32(max(high - low, 1e-30))
    return np.clip(part, 0, 1, out=part)


def _sky_to_white(image: Image) -> tuple[float, float]:
    found = levels(image)
    return found.sky - BLACK_SIGMA * found.sigma, found.white


def _zscale(image: Image) -> tuple[float, float]:
    """IRAF's limits: the slope of the ranked samples, whatever the few bright ones do."""
    from astropy.visualization import ZScaleInterval  # takes a while, and is seldom asked for

    low, high = ZScaleInterval().get_limits(image)
    return float(low), float(high)
