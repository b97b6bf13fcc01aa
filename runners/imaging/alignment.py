"""Frames laid over the first one by their stars, by astroalign (Beroiz et al. 2020, A&C 32).

Shift, rotation and a little scale are taken out, also those of a camera turned by a meridian flip.
The package comes with the extra `align`; it is imported when it is needed.
"""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from PIL import Image as Pictures

from runners.imaging.brightness import levels, subtract_background
from runners.imaging.cosmic_rays import without_cosmic_rays

Image = NDArray[np.float32]
StarPositions = NDArray[np.float64]

PACKAGE = "astroalign"
#: How bright stars must be to be used, in sigma, and how many of the brightest are.
THRESHOLD_SIGMA = 5.0
MOST_STARS = 50
LEAST_STARS = 3
#: Frames of one camera do not differ in scale; what seems to is a false match.
MOST_SCALE = 0.02


def missing() -> str | None:
    """What to install when the package is not there; imports nothing."""
    if importlib.util.find_spec(PACKAGE) is not None:
        return None
    return f"{PACKAGE} is not installed: pip install 'heliograph[align]'"


def star_places(image: Image) -> StarPositions:
    """(x, y) of the brightest stars in pixels, the brightest first; shape (stars, 2)."""
    flat = without_cosmic_rays(subtract_background(image))  # rays are other ones in each frame
    found = sep.extract(flat, THRESHOLD_SIGMA, err=levels(flat).sigma)
    brightest = np.argsort(found["flux"])[::-1][:MOST_STARS]
    return np.column_stack((found["x"][brightest], found["y"][brightest]))


def aligned(image: Image, reference: StarPositions, fill: float) -> Image | None:
    """The image moved so that its stars lie at the places of the reference's.

    `fill` is what comes from outside the image. None if the stars do not match.
    """
    found = star_places(image)
    if min(len(found), len(reference)) < LEAST_STARS:
        return None
    import astroalign

    try:
        transform, _ = astroalign.find_transform(found, reference, max_control_points=MOST_STARS)
    except (astroalign.MaxIterError, ValueError, TypeError):
        return None
    if abs(transform.scale - 1) > MOST_SCALE:
        return None
    return moved(image, np.linalg.inv(transform.params), fill)


def moved(image: Image, matrix: Any, fill: float) -> Image:
    """The image whose pixel (x, y) is the given one's at matrix · (x, y, 1); linear in between."""
    (a, b, c), (d, e, f) = np.asarray(matrix)[:2].tolist()
    # Pillow counts from the corner of a pixel, astronomers from its centre.
    c, f = c + (1 - a - b) / 2, f + (1 - d - e) / 2
    height, width = image.shape
    picture = Pictures.fromarray(np.ascontiguousarray(image))
    turned = picture.transform(
        (width, height),
        Pictures.Transform.AFFINE,
        (a, b, c, d, e, f),
        Pictures.Resampling.BILINEAR,
        fillcolor=fill,
    )
    return np.asarray(turned, dtype=np.float32)
