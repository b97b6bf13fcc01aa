"""Registers frames to a reference by matching stars with astroalign (Beroiz et al. 2020, A&C 32).

Shift, rotation and slight changes of scale are removed, meridian flips included. The package comes
with the extra `align` and is imported when it is needed.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any, NamedTuple

import numpy as np
import sep
from numpy.typing import NDArray
from PIL import Image as Pictures

from runners.fits.images import Image
from runners.imaging.colour import grey
from runners.imaging.cosmic_rays import without_cosmic_rays
from runners.imaging.sky import find_sky

StarPositions = NDArray[np.float64]

PACKAGE = "astroalign"
#: The detection threshold in sigma, and how many of the brightest stars are used.
THRESHOLD_SIGMA = 5.0
MOST_STARS = 50
LEAST_STARS = 3
#: Frames of one camera do not differ in scale: a larger change is a false match.
MOST_SCALE = 0.02


def missing() -> str | None:
    """Return what to install if the package is missing, or None. Import nothing."""
    if importlib.util.find_spec(PACKAGE) is not None:
        return None
    return f"{PACKAGE} is not installed: pip install 'heliograph[align]'"


class Registered(NamedTuple):
    """An image registered to a reference, and where the field was in it.

    `shift` is by how many pixels (right, up) it was off at the centre, `degrees` by how much it was
    turned.
    """

    image: Image
    shift: tuple[float, float]
    degrees: float


def star_places(image: Image) -> StarPositions:
    """Return (x, y) of the brightest stars in pixels, brightest first; shape (stars, 2)."""
    return all_star_places(image)[:MOST_STARS]


def all_star_places(image: Image) -> StarPositions:
    """Return (x, y) of all stars in pixels, brightest first; shape (stars, 2)."""
    sky = find_sky(image, in_cells=True)
    flat = image - sky.background((image.shape[0], image.shape[1]))
    flat = without_cosmic_rays(np.nan_to_num(flat))  # a ray would be taken for a star
    noise = max(sky.sigma, abs(sky.level) * 1e-5, 1e-30)
    found = sep.extract(np.ascontiguousarray(flat), THRESHOLD_SIGMA, err=noise)
    brightest = np.argsort(found["flux"])[::-1]
    return np.column_stack((found["x"][brightest], found["y"][brightest]))


def aligned(image: Image, reference: StarPositions, fill: float) -> Registered | None:
    """Register an image to the stars of a reference; return None if they do not match.

    The image may have planes, which are all moved as the stars of their grey are. Pixels from
    outside the image get the value `fill`.
    """
    found = star_places(grey(image))
    if min(len(found), len(reference)) < LEAST_STARS:
        return None
    import astroalign

    try:
        transform, _ = astroalign.find_transform(found, reference, max_control_points=MOST_STARS)
    except (astroalign.MaxIterError, ValueError, TypeError):
        return None
    if abs(transform.scale - 1) > MOST_SCALE:
        return None
    matrix = np.linalg.inv(transform.params)
    if image.ndim == 2:
        registered = moved(image, matrix, fill)
    else:
        registered = np.stack([moved(plane, matrix, fill) for plane in image])
    return Registered(registered, *motion(matrix, image.shape[-1], image.shape[-2]))


def motion(matrix: Any, width: int, height: int) -> tuple[tuple[float, float], float]:
    """Return the shift of the centre of an image in pixels (right, up), and the turn in degrees."""
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
    x, y = (np.asarray(matrix) @ centre - centre)[:2].tolist()
    return (x, y), math.degrees(math.atan2(matrix[1][0], matrix[0][0]))


def moved(image: Image, matrix: Any, fill: float) -> Image:
    """Return an image whose pixel (x, y) is the given image's at matrix · (x, y, 1), bilinear."""
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
