"""Which part of an image is shown, and at what size: cropping and downscaling by area averages.

Brightness is left to `brightness`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from runners.fits.images import Image
from runners.fits.science import Stored
from runners.imaging.products import small_pieces

#: Areas are averaged by products with small matrices, which take less time than adding
#: rows: so many rows of the image at a time (of more, most shares are 0), and columns of the view.
ROWS_AT_ONCE, COLUMNS_AT_ONCE = 14, 12
#: Where the same shares repeat, the most pixels, or pixels of the view, after which they do.
MOST_PERIOD = 18
#: Pixels of the image averaged at a time, if so.
CACHED = 2**17


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


def rescale(image: Stored, view: View) -> Image:
    """Return the part of an image that a view shows, shape (view.height, view.width).

    Each pixel is the mean of the area that it covers, so the mean flux is kept at any ratio. NaN
    pixels do not count; where there are no others, the result is NaN.
    """
    if image.dtype.kind != "f" or not np.isnan(image.min()):
        return _averaged(image, view)
    blank = np.isnan(image)
    weight = _averaged((~blank).astype(np.float32), view)
    total = _averaged(np.where(blank, np.float32(0), image), view)
    mean = total / np.maximum(weight, np.float32(1e-6))
    return np.where(weight > 1e-3, mean, np.float32(np.nan))


def _side(length: float, even: bool) -> int:
    # Slightly more, as the arithmetic may make 499.999… of 500.
    whole = int(length + 1e-6)
    return max(whole - whole % 2, 2) if even else max(whole, 1)


def _averaged(image: Stored, view: View) -> Image:
    left, lower, right, upper = view.box
    if (right - left, upper - lower) == (view.width, view.height):
        return _floats(image[int(lower) : int(upper), int(left) : int(right)])
    image = np.ascontiguousarray(image)
    shown = np.empty((view.height, view.width), np.float32)
    # Rows first, so that fewer are left for the columns.
    for part, narrow in _row_means(image, lower, upper, view.height):
        _average_columns(narrow, left, right, shown[part])
    return shown


def _row_means(
    image: Stored, lower: float, upper: float, count: int
) -> Iterator[tuple[slice, Image]]:
    """Yield `count` rows that are means of rows between two places, some at a time."""
    height, width = image.shape
    if (period := _period(lower, upper, count)) is not None:
        return _repeating_row_means(image[int(lower) : int(upper)], *period)
    narrow = np.empty((count, width), np.float32)
    many = max(1, round(ROWS_AT_ONCE * count / (upper - lower)))
    for part, places, share, _ in _shares(lower, upper, count, height, many):
        strip = _floats(image[places])
        for some in small_pieces(width, share.size):
            np.matmul(share, strip[:, some], out=narrow[part, some])
    return iter([(slice(0, count), narrow)])


def _repeating_row_means(image: Stored, count: int, pixels: int) -> Iterator[tuple[slice, Image]]:
    """Yield means of rows, of which `count` take the next `pixels` rows."""
    width = image.shape[1]
    share = _shares(0, pixels, count, pixels, count)[0][2]
    rows = image.reshape(-1, pixels, width)
    # So few at a time that they stay in the processor's cache.
    many = max(1, CACHED // (pixels * width))
    narrow = np.empty((min(many, len(rows)), count, width), np.float32)
    for first in range(0, len(rows), many):
        means = narrow[: len(rows) - first]
        piece = _floats(rows[first : first + many])
        for some in small_pieces(width, share.size):
            np.matmul(share, piece[:, :, some], out=means[:, :, some])
        yield slice(first * count, (first + len(means)) * count), means.reshape(-1, width)


def _floats(image: Stored) -> Image:
    """Return pixels as native float32, which takes least for so few that they stay in a cache."""
    return image.astype(np.float32, copy=False)


def _average_columns(image: Image, left: float, right: float, into: Image) -> None:
    height, width = into.shape
    period = _period(left, right, width)
    if period is not None:
        count, pixels = period
        share = _shares(0, pixels, count, pixels, count)[0][3]
        # Views with an axis more, whose first is that of the repetitions.
        columns = image[:, int(left) : int(right)]
        columns = columns.reshape(height, -1, pixels).swapaxes(0, 1)
        parts = into.reshape(height, -1, count).swapaxes(0, 1)
        for some in small_pieces(height, share.size):
            np.matmul(columns[:, some], share, out=parts[:, some])
        return
    for part, places, _, share in _shares(left, right, width, image.shape[1], COLUMNS_AT_ONCE):
        for some in small_pieces(height, share.size):
            np.matmul(image[some, places], share, out=into[some, part])


@lru_cache(maxsize=16)
def _period(begin: float, end: float, count: int) -> tuple[int, int] | None:
    """Return after how many of `count` equal parts of [begin, end], and pixels, shares repeat.

    None if they do not, or seldom. One call makes all products with the same shares.
    """
    if not (begin.is_integer() and end.is_integer()):
        return None
    times = math.gcd(int(end - begin), count)
    parts, pixels = count // times, int(end - begin) // times
    if max(parts, pixels) > MOST_PERIOD:
        return None
    # Many very small products take longer than some more shares that are 0.
    most = min(times, MOST_PERIOD // max(parts, pixels))
    more = next(each for each in range(most, 0, -1) if times % each == 0)
    return parts * more, pixels * more


@lru_cache(maxsize=16)
def _shares(
    begin: float, end: float, count: int, length: int, many: int
) -> list[tuple[slice, slice, Image, Image]]:
    """Return, for `many` of `count` equal parts of [begin, end] at a time, what they are means of.

    Each is (parts, pixels, the share of each pixel in each part, the same transposed), of a side of
    `length` pixels.
    """
    edges, part = np.linspace(begin, end, count + 1), (end - begin) / count
    shares = []
    for parts in (slice(first, min(first + many, count)) for first in range(0, count, many)):
        below, above = edges[parts, np.newaxis], edges[parts.start + 1 : parts.stop + 1, np.newaxis]
        pixels = slice(int(below[0, 0]), min(math.ceil(above[-1, 0]), length))
        places = np.arange(pixels.start, pixels.stop)
        overlap = np.minimum(places + 1, above) - np.maximum(places, below)
        share = (overlap.clip(0) / part).astype(np.float32)
        shares.append((parts, pixels, share, np.ascontiguousarray(share.T)))
    return shares
