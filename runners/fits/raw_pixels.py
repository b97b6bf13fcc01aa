"""Pixels as they are stored, and the float32 that is made of them.

Those that are stored plainly are read from their place in the file, without astropy, which takes
longer to open a camera's frame than reading all pixels takes. Images that are scaled, packed,
partly blank or odd in any way are left to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import SEEK_END
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from runners.fits.cards import BLOCK_BYTES, Cards, number, read_header
from runners.fits.files import SIGNATURE
from runners.fits.science import Section

#: Types that float32 holds exactly, by BITPIX (FITS standard 4.0, table 8).
TYPES = {8: ">u1", 16: ">i2", -32: ">f4"}
#: BZERO of unsigned 16-bit numbers (FITS standard 4.0, table 11).
UNSIGNED_ZERO = 32768
#: Longer headers are left to astropy.
HEADER_BYTES = 36 * 2880
#: Beyond these powers of ten, float32 or the square of a pixel overflows, or few digits are left.
SAFE_RANGE = (1e-18, 1e18)
#: Units are this power of ten to some whole power, so that the frames of a series have the same.
UNIT_STEP = 30
#: Numbers that differ by less than this part of themselves would become steps in float32.
LEAST_SPREAD = 1e-3
#: Pixels looked at to find the range, and converted at once.
SAMPLES, PIECE = 4096, 4_000_000
#: Parts of a detector touch along at least so many pixels, at most so many apart; their levels are
#: compared over so many on both sides.
LEAST_TOUCH, MOST_APART, STRIP = 16, 16, 12
#: A step is seen that is more than this part of the usual deviation of pixels.
SEEN_SPREAD = 0.3
_RANKS = (0.01, 0.5, 0.99)
_LARGEST = float(np.finfo(np.float32).max) / 2


@dataclass(frozen=True, slots=True)
class PlainPixels:
    """Where the pixels of a file begin, in bytes, their type, and what is added to each."""

    offset: int
    dtype: str
    zero: int

    @property
    def is_whole(self) -> bool:
        """Whether the pixels are whole numbers, which float32 holds, and none of them blank."""
        return np.dtype(self.dtype).kind != "f"

    def read(self, path: Path, height: int, width: int) -> NDArray[np.float32]:
        """Return the pixels, shape (height, width), as native float32.

        Raise ValueError if the file no longer has them all, and OSError if it cannot be read.
        """
        image: NDArray[np.float32] = self.stored(path, height, width).astype(np.float32)
        if self.zero:
            image += np.float32(self.zero)
        return image

    def stored(self, path: Path, height: int, width: int) -> NDArray[Any]:
        """Return the numbers in the file, to which `zero` is to be added, otherwise as `read`."""
        count = height * width
        stored = np.fromfile(path, self.dtype, count, offset=self.offset)
        if stored.size < count:
            raise ValueError(f"of {count:,} pixels only {stored.size:,} are there")
        return stored.reshape(height, width)


def plain_pixels(hdu: Any, cards: Mapping[str, object], path: Path) -> PlainPixels | None:
    """Return where the pixels of an image HDU are in the file, None if they need astropy."""
    place = hdu.fileinfo()
    if isinstance(hdu, fits.CompImageHDU) or place["file"].name != str(path):
        return None  # packed, or unpacked to another file
    return _pixels_by(cards, place["datLoc"])


def plain_primary(path: Path) -> tuple[Cards, PlainPixels] | None:
    """Return the primary header and where its pixels are, if the file is that image and no more.

    None if it is not a complete, plain 2-D image, or if anything is wrong: astropy finds out what.
    """
    try:
        with path.open("rb") as file:
            raw = read_header(file, HEADER_BYTES)
            if raw is None or not raw.startswith(SIGNATURE):
                return None
            cards = Cards(raw)
            plain = _pixels_by(cards, len(raw))
            if plain is None or cards["SIMPLE"] is not True or cards["NAXIS"] != 2:
                return None
            width, height = int(str(cards["NAXIS1"])), int(str(cards["NAXIS2"]))
            length = width * height * np.dtype(plain.dtype).itemsize
            if min(width, height) <= 0 or plain.offset + length > file.seek(0, SEEK_END):
                return None
            file.seek(plain.offset + -(-length // BLOCK_BYTES) * BLOCK_BYTES)
            return None if file.read(8) == b"XTENSION" else (cards, plain)
    except Exception:
        return None


def _pixels_by(cards: Mapping[str, object], offset: int) -> PlainPixels | None:
    bits, zero = cards["BITPIX"], cards.get("BZERO", 0)
    is_plain = (
        type(bits) is int
        and bits in TYPES
        and cards.get("BSCALE", 1) == 1
        and zero in (0, UNSIGNED_ZERO if bits == 16 else 0)
        and "BLANK" not in cards
    )
    if not is_plain:
        return None
    return PlainPixels(offset, TYPES[int(str(bits))], int(float(str(zero))))


@dataclass(frozen=True, slots=True)
class Scaling:
    """What stored numbers stand for: `zero + scale * number`, and which number is a blank."""

    zero: float = 0.0
    scale: float = 1.0
    blank: int | None = None

    @classmethod
    def of(cls, cards: Mapping[str, object]) -> Scaling:
        """Return the scaling of a header, as far as it can be read."""
        zero, scale = number(cards.get("BZERO")), number(cards.get("BSCALE"))
        blank = number(cards.get("BLANK", cards.get("ZBLANK")))
        return cls(
            zero if zero is not None and math.isfinite(zero) else 0.0,
            scale if scale is not None and math.isfinite(scale) and scale else 1.0,
            int(blank) if blank is not None and blank.is_integer() else None,
        )


def physical(stored: NDArray[Any], scaling: Scaling) -> tuple[NDArray[np.float32], float, float]:
    """Return pixels as native float32, NaN where they are blank or infinite, and zero and unit.

    The numbers that they stand for are `zero + unit * pixels`; see `ScienceImage`.
    """
    zero, unit = _fitting(_some(stored, scaling))
    pixels = np.empty(stored.shape, np.float32)
    flat, given = pixels.reshape(-1), stored.reshape(-1)
    with np.errstate(all="ignore"):
        for piece in _pieces(len(flat)):
            flat[piece] = _converted(given[piece], scaling, zero, unit)
    return pixels, zero, unit


def within_range(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], float, float]:
    """Return float32 pixels, NaN where they are infinite, with a zero and a unit if need be."""
    some = pixels.reshape(-1)[:: max(1, pixels.size // SAMPLES)].astype(np.float64)
    if _fitting(some) != (0.0, 1.0):
        return physical(pixels, Scaling())
    finite = np.isfinite(pixels)
    return (pixels if finite.all() else np.where(finite, pixels, np.float32(np.nan))), 0.0, 1.0


def join_skies(whole: NDArray[np.float32], boxes: Sequence[Section]) -> None:
    """Shift the levels of parts of an image so that they meet where the parts touch.

    Amplifiers differ in bias and gain by more than headers tell. Nothing is done if nobody sees it.
    """
    rows, steps = [], []
    for (first, a), (second, b) in combinations(enumerate(boxes), 2):
        step = _step(whole, a, b)
        if step is not None and math.isfinite(step):
            row = np.zeros(len(boxes))
            row[first], row[second] = 1.0, -1.0
            rows.append(row)
            steps.append(step)
    if any(steps):
        shifts = np.linalg.lstsq(np.array(rows), np.array(steps), rcond=None)[0]
        for box, shift in zip(boxes, shifts, strict=True):
            box.of(whole)[...] += np.float32(shift)


def _step(whole: NDArray[np.float32], a: Section, b: Section) -> float | None:
    """Return by how much b is brighter than a where they touch, None if they do not."""
    lower, upper = max(a.lower, b.lower), min(a.upper, b.upper)
    left, right = max(a.left, b.left), min(a.right, b.right)
    if upper - lower >= LEAST_TOUCH and abs(right - left) <= MOST_APART:
        (a, b), sign = ((a, b), 1) if a.left < b.left else ((b, a), -1)
        near = whole[lower:upper, max(a.right - STRIP, a.left) : a.right]
        beyond = whole[lower:upper, b.left : min(b.left + STRIP, b.right)]
    elif right - left >= LEAST_TOUCH and abs(upper - lower) <= MOST_APART:
        (a, b), sign = ((a, b), 1) if a.lower < b.lower else ((b, a), -1)
        near = whole[max(a.upper - STRIP, a.lower) : a.upper, left:right]
        beyond = whole[b.lower : min(b.lower + STRIP, b.upper), left:right]
    else:
        return None
    if np.isnan(near).all() or np.isnan(beyond).all():
        return None
    step = sign * float(np.nanmedian(beyond) - np.nanmedian(near))
    spread = float(np.nanmedian(np.abs(near - np.nanmedian(near))))
    return step if abs(step) > SEEN_SPREAD * spread else 0.0


def _converted(
    stored: NDArray[Any], scaling: Scaling, zero: float, unit: float
) -> NDArray[np.float64]:
    exact = stored.astype(np.float64)
    if scaling.scale != 1.0:
        exact *= scaling.scale
    exact += scaling.zero - zero
    infinite = ~np.isfinite(exact)
    if unit != 1.0:
        exact /= unit
    np.clip(exact, -_LARGEST, _LARGEST, out=exact)
    exact[infinite] = np.nan
    if scaling.blank is not None and stored.dtype.kind in "iu":
        exact[stored == scaling.blank] = np.nan
    return exact


def _some(stored: NDArray[Any], scaling: Scaling) -> NDArray[np.float64]:
    step = max(1, stored.size // SAMPLES)
    with np.errstate(all="ignore"):
        return _converted_samples(stored.reshape(-1)[::step], scaling)


def _converted_samples(stored: NDArray[Any], scaling: Scaling) -> NDArray[np.float64]:
    exact = stored.astype(np.float64) * scaling.scale + scaling.zero
    if scaling.blank is not None and stored.dtype.kind in "iu":
        exact[stored == scaling.blank] = np.nan
    return exact


def _fitting(some: NDArray[np.float64]) -> tuple[float, float]:
    """Return the zero and the unit with which float32 holds numbers like these."""
    some = some[np.isfinite(some)]
    if not some.size:
        return 0.0, 1.0
    ranked = np.sort(some)
    low, middle, high = (float(ranked[round((len(ranked) - 1) * part)]) for part in _RANKS)
    most, spread = max(abs(low), abs(high)), high - low
    # In float32 numbers of 10,000 have steps of 0.001, which no camera's noise is less than.
    zero = middle if 0 < spread < LEAST_SPREAD * most and most > 1e4 * min(1.0, spread) else 0.0
    size = spread if zero else most
    if size == 0 or SAFE_RANGE[0] < size < SAFE_RANGE[1]:
        return zero, 1.0
    return zero, 10.0 ** (UNIT_STEP * round(math.log10(size) / UNIT_STEP))


def _pieces(count: int) -> Iterator[slice]:
    return (slice(begin, begin + PIECE) for begin in range(0, count, PIECE))
