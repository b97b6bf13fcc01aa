"""Windows of an image, binned: what a viewer draws. Which image is left to `views`.

Pixels count from 0 here, in the order of the file: row 0 is the first one that is stored, whatever
`ROWORDER` says of where it belongs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from runners.fits.files import quiet
from runners.fits.science import Section
from runners.fits.viewing.errors import WrongRequest
from runners.fits.viewing.pixels import Kept, Pixels, Values, version_of
from runners.fits.viewing.views import View, view_of

#: Values of one answer: 16 MB.
MOST_VALUES = 4_000_000
#: Pixels that are read and binned at a time: few enough for a processor's cache.
PIECE_PIXELS = 2**18
#: What begins a file of a window: the numbers of its rows and of its columns.
SHAPE = struct.Struct("<II")
#: Windows that took reading many pixels for each of theirs are kept.
KEPT_BIN, KEPT_BYTES = 4, 64 * 2**20
#: Red, green and blue, by their first letters in the name of a mosaic.
COLOURS = {"red": "R", "green": "G", "blue": "B"}
_LARGEST = float(np.finfo(np.float32).max)
_KEPT = Kept(KEPT_BYTES)
#: How bilinear interpolation weighs the neighbours of a pixel.
_NEAR = ((1, 2, 1), (2, 4, 2), (1, 2, 1))


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked for: an image, a plane, a part of it in pixels from 0, and a binning.

    Of `width` and `height`, None is all that is left. With a `colour` only the pixels of a mosaic
    that have it count.
    """

    hdu: int | None = None
    plane: int = 0
    x: int = 0
    y: int = 0
    width: int | None = None
    height: int | None = None
    bin: int = 1
    colour: str | None = None


def write_window(path: str | Path, out_path: str | Path, window: Window) -> None:
    """Write a window of a FITS image: `SHAPE`, then its values as little-endian float32.

    Raise WrongRequest for a window that the image does not have, FrameError without an image.
    """
    path = Path(path)
    values = read_window(path, window)
    with Path(out_path).open("wb") as file:
        file.write(SHAPE.pack(*values.shape))
        file.write(np.ascontiguousarray(values, "<f4").data)


def read_window(path: Path, window: Window) -> NDArray[np.float32]:
    """Return a window, shape (height, width) after binning, bottom row first, NaN for blanks.

    A value is the mean of the pixels that are not blank in a square of `bin` pixels a side; at the
    right and upper edges of a window fewer may be left for it.
    """
    view, _ = view_of(path, window.hdu)
    box = section_of(window, view)
    with quiet(), np.errstate(all="ignore"):
        if window.bin < KEPT_BIN:
            return _binned(view, window, box)
        key = (*version_of(path), view.hdu, window.plane, box, window.bin, window.colour)
        kept: NDArray[np.float32] = _KEPT.get(key, lambda: _binned(view, window, box))
        return kept


def section_of(window: Window, view: View) -> Section:
    """Return the part of the image that a window is. Raise WrongRequest if there is none."""
    pixels = view.pixels
    if not 0 <= window.plane < pixels.planes:
        raise WrongRequest("plane", f"A plane from 0 to {pixels.planes - 1} is expected.")
    if window.colour is not None and view.layout.mosaic is None:
        raise WrongRequest("colour", "The pixels of this image have no colours.")
    left, right = _side("x", window.x, "width", window.width, pixels.width)
    lower, upper = _side("y", window.y, "height", window.height, pixels.height)
    values = -(-(right - left) // window.bin) * -(-(upper - lower) // window.bin)
    if values > MOST_VALUES:
        message = f"That is {values:,} values, and at most {MOST_VALUES:,} are sent: bin more."
        raise WrongRequest("bin", message)
    return Section(left, lower, right, upper)


def bands(box: Section, step: int) -> Iterator[Section]:
    """Yield sections of whole rows, each a multiple of `step` high but for the last."""
    rows = max(1, PIECE_PIXELS // max(1, box.width) // step) * step
    for lower in range(box.lower, box.upper, rows):
        yield Section(box.left, lower, box.right, min(lower + rows, box.upper))


def _side(at: str, begin: int, of: str, length: int | None, whole: int) -> tuple[int, int]:
    if begin >= whole:
        raise WrongRequest(at, f"A number from 0 to {whole - 1} is expected.")
    length = whole - begin if length is None else length
    if not 0 < length <= whole - begin:
        raise WrongRequest(of, f"A number from 1 to {whole - begin} is expected.")
    return begin, begin + length


def _binned(view: View, window: Window, box: Section) -> NDArray[np.float32]:
    pixels, step = view.pixels, window.bin
    rows, columns = -(-box.height // step), -(-box.width // step)
    whole = np.empty((rows, columns), np.float32)
    for band in bands(box, step):
        if window.colour is None:
            values = pixels.values(window.plane, band)
        else:
            values = _of_colour(pixels, band, view.layout.mosaic or "", window.colour, step)
        first = (band.lower - box.lower) // step
        binned = bin_mean(values, step)
        np.clip(binned, -_LARGEST, _LARGEST, out=binned)
        whole[first : first + len(binned)] = binned
    return whole


def bin_mean(values: Values, step: int) -> Values:
    """Return the means of squares of `step` values a side, of what is not NaN in each."""
    if step == 1:
        return values
    known = ~np.isnan(values)
    if known.all():
        rows, columns = (_counts(side, step) for side in values.shape)
        return _sums(values, step) / (rows[:, np.newaxis] * columns)
    counts = _sums(known, step)
    means: Values = _sums(np.where(known, values, 0), step) / counts  # 0 / 0 is NaN
    return means


def _counts(side: int, step: int) -> NDArray[np.float64]:
    return np.diff(np.append(np.arange(0, side, step), side)).astype(np.float64)


def _sums(values: Values, step: int) -> Values:
    """Return the sums of squares of `step` values a side; slices are added many times as fast."""
    kind = np.float64 if values.dtype == np.float64 else np.float32
    rows = values[::step].astype(kind)
    for at in range(1, min(step, values.shape[0])):
        part = values[at::step]
        np.add(rows[: len(part)], part, out=rows[: len(part)])
    sums: Values = rows[:, ::step].astype(np.float64)
    for at in range(1, min(step, values.shape[1])):
        part = rows[:, at::step]
        np.add(sums[:, : part.shape[1]], part, out=sums[:, : part.shape[1]])
    return sums


def _of_colour(pixels: Pixels, box: Section, mosaic: str, colour: str, step: int) -> Values:
    """Return the values of one colour, NaN elsewhere; without binning interpolated elsewhere."""
    if step > 1:
        return _masked(pixels.values(0, box), box, mosaic, colour)
    wider = Section(
        max(0, box.left - 1),
        max(0, box.lower - 1),
        min(pixels.width, box.right + 1),
        min(pixels.height, box.upper + 1),
    )
    filled = _interpolated(_masked(pixels.values(0, wider), wider, mosaic, colour))
    left, lower = box.left - wider.left, box.lower - wider.lower
    return Section(left, lower, left + box.width, lower + box.height).of(filled)


def _masked(values: Values, box: Section, mosaic: str, colour: str) -> Values:
    """Return the values with NaN for pixels of other colours; `mosaic` begins at pixel (0, 0)."""
    masked = np.full(values.shape, np.nan, values.dtype)
    for place, letter in enumerate(mosaic):
        if letter == COLOURS[colour]:
            x, y = (place % 2 - box.left) % 2, (place // 2 - box.lower) % 2
            masked[y::2, x::2] = values[y::2, x::2]
    return masked


def _interpolated(values: Values) -> Values:
    """Return values whose gaps hold the weighted mean of their neighbours."""
    known = ~np.isnan(values)
    padded, there = np.pad(np.where(known, values, 0), 1), np.pad(known.astype(np.float32), 1)
    sums, weights = np.zeros(values.shape, np.float64), np.zeros(values.shape, np.float32)
    height, width = values.shape
    for y, row in enumerate(_NEAR):
        for x, weight in enumerate(row):
            sums += weight * padded[y : y + height, x : x + width]
            weights += weight * there[y : y + height, x : x + width]
    filled: Values = np.where(known, values, sums / weights)
    return filled
