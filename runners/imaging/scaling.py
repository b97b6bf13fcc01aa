"""Which part of an image is shown, and at what size: cropping and area-averaging downscale.

Brightness is left to `brightness`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class View:
    """A centred box of the image, in pixels (left, lower, right, upper), and the sides it gets."""

    box: tuple[float, float, float, float]
    width: int
    height: int


def view_of(width: int, height: int, size: int, crop_scale: float = 1.0, even: bool = True) -> View:
    """How to show an image of these sides with its longest side at most `size` pixels.

    `crop_scale` is the part of each side that is kept around the centre. Nothing is enlarged. The
    aspect ratio is kept: sides rounded down, to even numbers (as films need) where asked for, show
    a box that is smaller by the same factor.
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


def rescale(image: Image, view: View) -> Image:
    """The framed part of an image, shape (view.height, view.width).

    Each pixel is the mean of the area it covers, so flux is kept whatever the ratio; NaN pixels do
    not count, and are the image's median where nothing else is.
    """
    blank = np.isnan(image)
    if not blank.any():
        return _averaged(image, view)
    weight = _averaged((~blank).astype(np.float32), view)
    total = _averaged(np.where(blank, np.float32(0), image), view)
    mean = total / np.maximum(weight, np.float32(1e-6))
    return np.where(weight > 1e-3, mean, np.float32(np.nanmedian(image)))


def _side(length: float, even: bool) -> int:
    # A hair more, as 500.0 may come out of the arithmetic as 499.999….
    whole = int(length + 1e-6)
    return max(whole - whole % 2, 2) if even else max(whole, 1)


def _averaged(image: Image, view: View) -> Image:
    left, lower, right, upper = view.box
    if (right - left, upper - lower) == (view.width, view.height):
        return image[int(lower) : int(upper), int(left) : int(right)]
    # By columns only once there are fewer rows, and both times along rows, which lie together.
    narrow = _means(image, lower, upper, view.height).T.copy()
    return _means(narrow, left, right, view.width).T.copy()


def _means(image: Image, begin: float, end: float, count: int) -> Image:
    """Means of rows over `count` equal parts of [begin, end], by how much of each row is in it."""
    means = np.empty((count, image.shape[1]), np.float32)
    rows = np.empty_like(means)  # one for all steps: making it anew costs as much as filling it
    for step, (places, shares) in enumerate(_shares(begin, end, count, len(image))):
        into = rows if step else means
        np.take(image, places, axis=0, out=into, mode="clip")
        into *= shares
        if step:
            means += rows
    return means


@lru_cache(maxsize=16)
def _shares(
    begin: float, end: float, count: int, length: int
) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """The rows of `length` that each of the parts begins with, their next ones, and so on.

    Each with its share in the part, as a column.
    """
    edges, part = np.linspace(begin, end, count + 1), (end - begin) / count
    below, above = edges[:-1], edges[1:]
    shares = []
    for row in (below.astype(np.intp) + step for step in range(math.ceil(part) + 1)):
        within = np.minimum(row + 1, above) - np.maximum(row, below)
        share = (within.clip(0) / part).astype(np.float32)[:, np.newaxis]
        shares.append((np.minimum(row, length - 1), share))
    return shares
