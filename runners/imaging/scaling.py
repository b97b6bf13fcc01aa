"""Which part of an image is shown, and at what size: cropping and downscaling by area averages.

Brightness is left to `brightness`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from runners.fits.images import Image

#: Pixels that are averaged at a time.
CACHED = 2**16


@dataclass(frozen=True, slots=True)
class View:
    """A centred box of an image, in pixels (left, lower, right, upper), and its size when shown."""

    box: tuple[float, float, float, float]
    width: int
    height: int


def view_of(
    width: int, height: int, size: int, *, crop_scale: float = 1.0, even: bool = True
) -> View:
    """Return the view of an image of this size whose longest side is at most `size` pixels.

    `crop_scale` is the part of each side that is kept around the centre. Nothing is enlarged. Sides
    are rounded down, to even numbers (as films need) if `even`; the box shrinks by the same factor,
    so that the aspect ratio is kept.
    """
    kept_width, kept_height = max(width * crop_scale, 2.0), max(height * crop_scale, 2.0)
    shrink = min(1.0, size / max(kept_width, kept_height))
    shown_width = _side(kept_width * shrink, even)
    shown_height = _side(kept_height * shrink, even)
    box_width = min(shown_width / shrink, kept_width)
    box_height = min(shown_height / shrink, kept_height)
    left, lower = (width - box_width) / 2, (height - box_height) / 2
    if shrink == 1.0:  # whole pixels, so that nothing is blurred
        left, lower = float(int(left)), float(int(lower))
    return View((left, lower, left + box_width, lower + box_height), shown_width, shown_height)


def widened(view: View, width: int, height: int) -> tuple[View, tuple[int, int]]:
    """Return a view with as much of an image around the box as whole pixels show, at its scale.

    Also return how many columns and rows come before those of the narrower view.
    """
    left, lower, right, upper = view.box
    wide, high = (right - left) / view.width, (upper - lower) / view.height
    across = int(min(left, width - right) / wide + 1e-6)
    down = int(min(lower, height - upper) / high + 1e-6)
    box = (left - across * wide, lower - down * high, right + across * wide, upper + down * high)
    return View(box, view.width + 2 * across, view.height + 2 * down), (across, down)


def halved(view: View) -> View:
    """Return the view that shows the same of an image of half the size."""
    left, lower, right, upper = (side / 2 for side in view.box)
    return View((left, lower, right, upper), view.width, view.height)


def rescale(image: Image, view: View) -> Image:
    """Return the part of an image that a view shows, shape (view.height, view.width).

    Each pixel is the mean of the area that it covers, so the mean flux is kept at any ratio. NaN
    pixels do not count; where there are no others, the result is NaN.
    """
    blank = np.isnan(image)
    if not blank.any():
        return _averaged(image, view)
    weight = _averaged((~blank).astype(np.float32), view)
    total = _averaged(np.where(blank, np.float32(0), image), view)
    mean = total / np.maximum(weight, np.float32(1e-6))
    return np.where(weight > 1e-3, mean, np.float32(np.nan))


def _side(length: float, even: bool) -> int:
    # Slightly more, as the arithmetic may make 499.999… of 500.
    whole = int(length + 1e-6)
    return max(whole - whole % 2, 2) if even else max(whole, 1)


def _averaged(image: Image, view: View) -> Image:
    left, lower, right, upper = view.box
    if (right - left, upper - lower) == (view.width, view.height):
        return image[int(lower) : int(upper), int(left) : int(right)]
    # Rows first, so that fewer are left for the columns; transposed, as rows are contiguous.
    narrow = _means(image, lower, upper, view.height).T.copy()
    return _means(narrow, left, right, view.width).T.copy()


def _means(image: Image, begin: float, end: float, count: int) -> Image:
    """Return the means of rows over `count` equal parts of [begin, end], weighted by overlap."""
    means = np.empty((count, image.shape[1]), np.float32)
    # So many rows at a time stay in the processor's cache, and one piece of memory serves them all.
    many = max(1, CACHED // image.shape[1])
    scratch = np.empty((min(many, count), image.shape[1]), np.float32)
    shares = _shares(begin, end, count, len(image))
    for part in (slice(first, first + many) for first in range(0, count, many)):
        whole = means[part]
        for step, (places, share) in enumerate(shares):
            rows = scratch[: len(whole)] if step else whole
            np.take(image, places[part], axis=0, out=rows, mode="clip")
            rows *= share[part]
            if step:
                whole += rows
    return means


@lru_cache(maxsize=16)
def _shares(
    begin: float, end: float, count: int, length: int
) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Return the first row of each part of [begin, end], the second, and so on, up to `length`.

    Each comes with the shares of these rows in their parts, as a column.
    """
    edges, part = np.linspace(begin, end, count + 1), (end - begin) / count
    below, above = edges[:-1], edges[1:]
    shares = []
    for row in (below.astype(np.intp) + step for step in range(math.ceil(part) + 1)):
        within = np.minimum(row + 1, above) - np.maximum(row, below)
        share = (within.clip(0) / part).astype(np.float32)[:, np.newaxis]
        shares.append((np.minimum(row, length - 1), share))
    return shares
