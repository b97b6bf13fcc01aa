"""Stretches, from brightness to the grey levels of pictures and films: our own, and common others.

Black and white levels come from the image alone; size and format are left to `preview`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from runners.fits.images import Image
from runners.imaging.brightness import Levels, Shades, levels, stretched
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
    return _drawn(_part(pixels, *limits(grey(judged))), stretch)


def film_levels(pixels: Image, own: Levels, stretch: str) -> Levels:
    """Return the levels between which a stretch shows a frame of a film, whose own are given.

    The frame's sky is level already. Smoothed along a series, they keep the film steady.
    """
    if stretch != "zscale":
        return own
    low, high = _zscale(grey(pixels))
    # Black lies by BLACK_SIGMA of the noise below the sky: this noise puts it where zscale has it.
    sigma = max((own.sky - low) / BLACK_SIGMA, 1e-30)
    return replace(own, sigma=sigma, white=max(high, own.sky + sigma))


def film_shades(pixels: Image, shared: Levels, stretch: str) -> Shades:
    """Return the shades of a frame between levels by `film_levels`; blank pixels are as the sky."""
    if stretch == "asinh":
        return stretched(pixels, shared)
    low = shared.sky - BLACK_SIGMA * shared.sigma
    sky = (shared.sky - low) / max(shared.white - low, 1e-30)
    return _drawn(_part(pixels, low, shared.white, blank=sky), stretch)


def _drawn(part: Image, stretch: str) -> Shades:
    """Return the shades of pixels that lie between black, 0, and white, 1."""
    if stretch == "sqrt":
        part = np.sqrt(part)
    elif stretch == "log":
        part = np.log1p(part * LOG_STEEPNESS) / np.float32(np.log1p(LOG_STEEPNESS))
    drawn: Shades = np.rint(part * 255).astype(np.uint8)
    return drawn if drawn.ndim == 2 else np.ascontiguousarray(np.moveaxis(drawn, 0, -1))


def _part(image: Image, low: float, high: float, blank: float = 0.0) -> Image:
    """Return where each pixel lies between black and white, 0 to 1; blank ones are at `blank`."""
    part = (image - np.float32(low)) / np.float32(max(high - low, 1e-30))
    np.clip(part, 0, 1, out=part)
    np.nan_to_num(part, copy=False, nan=blank)
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
