"""Stretches, from brightness to the grey levels of a preview: that of films, and common others.

Black and white levels come from the image alone; size and format are left to `preview`.
"""

from __future__ import annotations

import numpy as np

from runners.fits.images import Image
from runners.imaging.brightness import Shades, levels, stretched
from runners.imaging.colour import grey
from runners.imaging.showing import Scene, level_scene, neutral
from runners.imaging.sky import find_sky

#: The first one is the default.
STRETCHES = ("asinh", "zscale", "linear", "sqrt", "log")
#: How many sigma below the sky black lies in the last three.
BLACK_SIGMA = 1.5
#: As in astropy's LogStretch and DS9: how steep the logarithm is.
LOG_STEEPNESS = 1000.0


def shades(scene: Scene, stretch: str) -> Shades:
    """Return the shades of a scene, 0 to 255: grey ones, or of shape (height, width, 3).

    Only the first stretch levels the sky; the others show it as it is, but make it neutral.
    """
    if stretch == "asinh":
        return stretched(*level_scene(scene))
    pixels = neutral(scene)
    judged = pixels if scene.judged is scene.pixels else neutral(Scene(scene.judged, scene.judged))
    limits = _zscale if stretch == "zscale" else _sky_to_white
    part = _part(pixels, *limits(grey(judged)))
    if stretch == "sqrt":
        part = np.sqrt(part)
    elif stretch == "log":
        part = np.log1p(part * LOG_STEEPNESS) / np.float32(np.log1p(LOG_STEEPNESS))
    drawn: Shades = np.rint(part * 255).astype(np.uint8)
    return drawn if drawn.ndim == 2 else np.ascontiguousarray(np.moveaxis(drawn, 0, -1))


def _part(image: Image, low: float, high: float) -> Image:
    """Return where each pixel lies between black and white, 0 to 1; blank ones are black."""
    part = (image - np.float32(low)) / np.float32(max(high - low, 1e-30))
    np.clip(part, 0, 1, out=part)
    np.nan_to_num(part, copy=False)
    return part


def _sky_to_white(image: Image) -> tuple[float, float]:
    sky = find_sky(image)
    found = levels(image, sky)
    lowest = min(sky.lowest, 0.0) if sky.slope is not None else 0.0
    return found.sky + lowest - BLACK_SIGMA * found.sigma, found.white


def _zscale(image: Image) -> tuple[float, float]:
    """Return IRAF's limits, from the slope of the ranked samples without the few bright ones."""
    from astropy.visualization import ZScaleInterval  # slow to import, and seldom needed

    low, high = ZScaleInterval().get_limits(image)
    return float(low), float(high)
