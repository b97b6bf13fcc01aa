"""What a renderer needs to know of an image: its pixels, and the facts that headers give of them.

Finding and reading the image is left to `images`, showing it to `runners.imaging`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Pixels, shape (height, width), bottom row first as FITS stores them, or (3, height, width) of
#: red, green and blue.
Pixels = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an image, in pixels from 0: `right` and `upper` are the first ones outside."""

    left: int
    lower: int
    right: int
    upper: int

    def of(self, pixels: Pixels) -> Pixels:
        """Return this part of the pixels, as a view."""
        return pixels[..., self.lower : self.upper, self.left : self.right]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the pixels of an image are.

    `section` is the part that has sky (`TRIMSEC`, else `DATASEC`), None for the whole image;
    `overscan` are the parts of `BIASSEC`. `mosaic` names the colours of a camera with a Bayer
    matrix, such as `GRBG`: of the pixels (x, y) = (0, 0), (1, 0), (0, 1), (1, 1) of the array as it
    is stored, offsets (`XBAYROFF`, `YBAYROFF`) already counted. `top_down` is true where the first
    row belongs to the top (`ROWORDER`); pixel coordinates are those of FITS all the same. `planes`
    is 3 for red, green and blue, else 1. `filter` is None if none is known.
    """

    section: Section | None = None
    overscan: tuple[Section, ...] = ()
    mosaic: str | None = None
    top_down: bool = False
    planes: int = 1
    filter: str | None = None


@dataclass(frozen=True, slots=True)
class ScienceImage:
    """The pixels of an image, as native float32 with NaN for blanks, and their layout.

    What a file holds is `zero + unit * pixels`: other than 0 and 1 only where float32 cannot hold
    the range or the steps of the file's numbers.
    """

    pixels: Pixels
    layout: Layout
    zero: float = 0.0
    unit: float = 1.0
