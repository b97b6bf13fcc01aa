"""The pixels of one image, read by sections: only the rows that are asked for, where possible.

Numbers that are stored plainly are read from their place in the file. What is compressed or packed
is decoded once and kept in memory, up to a limit. Values are those of the file, with BZERO and
BSCALE; blank and infinite ones are NaN.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from runners.fits.files import FrameError, open_fits, reading
from runners.fits.raw_pixels import Scaling
from runners.fits.science import Section
from runners.fits.selection import Amplifier, Candidate

#: Numbers by BITPIX (FITS standard 4.0, table 8).
TYPES = {8: ">u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
#: A decoded image is kept if it has at most so many bytes, and all that are kept have so many.
MOST_KEPT_BYTES, ALL_KEPT_BYTES = 192 * 2**20, 384 * 2**20

#: Values of a section, shape (height, width), bottom row first: float32, or float64 where that
#: does not hold them.
Values = NDArray[Any]


class Pixels(Protocol):
    """The pixels of an image of `planes` planes."""

    @property
    def width(self) -> int:
        """The number of columns."""

    @property
    def height(self) -> int:
        """The number of rows."""

    @property
    def planes(self) -> int:
        """The number of planes, 1 of a flat image."""

    def stored(self, plane: int, box: Section) -> tuple[NDArray[Any], Scaling]:
        """Return the numbers of a section as the file holds them, and what they stand for."""

    def values(self, plane: int, box: Section) -> Values:
        """Return the values of a section. Raise FrameError if the file cannot be read."""


@dataclass(frozen=True, slots=True)
class ImagePixels:
    """The pixels of one HDU; `offset` is where they begin if they are stored plainly."""

    path: Path
    name: str
    index: int
    width: int
    height: int
    planes: int
    axes: tuple[int, ...]
    scaling: Scaling
    dtype: str
    interleaved: bool
    offset: int | None

    @classmethod
    def of(cls, candidate: Candidate, path: Path, name: str) -> ImagePixels:
        """Return the pixels of an image HDU of an open file."""
        hdu, cards = candidate.hdu, candidate.cards
        width, height = candidate.sides
        place = hdu.fileinfo()
        plainly = place["file"].name == str(path) and not hasattr(hdu, "compression_type")
        return cls(
            path=path,
            name=name,
            index=candidate.index,
            width=width,
            height=height,
            planes=3 if candidate.interleaved else _planes(candidate.axes),
            axes=candidate.axes,
            scaling=Scaling.of(cards),
            dtype=TYPES[int(hdu.header["BITPIX"])],
            interleaved=candidate.interleaved,
            offset=int(place["datLoc"]) if plainly and not candidate.interleaved else None,
        )

    def stored(self, plane: int, box: Section) -> tuple[NDArray[Any], Scaling]:
        """Return the numbers of a section as the file holds them, and what they stand for."""
        if self.offset is None:
            return self._decoded(plane, box), self.scaling
        return self._plain(self.offset, plane, box), self.scaling

    def values(self, plane: int, box: Section) -> Values:
        """Return the values of a section. Raise FrameError if the file cannot be read."""
        return valued(*self.stored(plane, box))

    def _plain(self, offset: int, plane: int, box: Section) -> NDArray[Any]:
        size = np.dtype(self.dtype).itemsize
        first = (plane * self.height + box.lower) * self.width
        count = box.height * self.width
        with reading(self.name):
            found = np.fromfile(self.path, self.dtype, count, offset=offset + first * size)
        if found.size < count:
            raise FrameError(self.name, "is cut short, within its pixels")
        return found.reshape(box.height, self.width)[:, box.left : box.right]

    def _decoded(self, plane: int, box: Section) -> NDArray[Any]:
        if self.width * self.height * np.dtype(self.dtype).itemsize > MOST_KEPT_BYTES:
            return self._section(plane, box)
        whole = Section(0, 0, self.width, self.height)
        key = (*version_of(self.path), self.index, plane)
        return box.of(_KEPT.get(key, lambda: self._section(plane, whole)))

    def _section(self, plane: int, box: Section) -> NDArray[Any]:
        with open_fits(self.path, self.name, keep=True) as hdus:
            section = hdus[self.index].section
            rows, columns = slice(box.lower, box.upper), slice(box.left, box.right)
            if self.interleaved:
                deep = (0,) * (len(self.axes) - 3)
                found = np.asarray(section[(*deep, rows, columns)])[..., plane]
            else:
                place = np.unravel_index(plane, self.axes[:1:-1]) if self.axes[2:] else ()
                found = np.asarray(section[(*map(int, place), rows, columns)])
            return found.reshape(box.height, box.width)


@dataclass(frozen=True, slots=True)
class DetectorPixels:
    """The pixels of a detector whose amplifiers have an HDU each, as these hold them.

    Their levels and gains are not made equal: a viewer shows the values of the file.
    """

    width: int
    height: int
    parts: Sequence[tuple[ImagePixels, Amplifier]]
    planes: int = 1

    def stored(self, plane: int, box: Section) -> tuple[NDArray[Any], Scaling]:
        """Return the values of a section, which stand for themselves."""
        return self.values(plane, box), Scaling()

    def values(self, plane: int, box: Section) -> Values:
        """Return the values of a section; NaN where no amplifier is."""
        found = np.full((box.height, box.width), np.nan, np.float64)
        for pixels, part in self.parts:
            seen = _common(part.place, box)
            if seen is None:
                continue
            own = pixels.values(0, _source(part, seen))
            turned = own[:: -1 if part.source.flipped else 1, :: -1 if part.source.mirrored else 1]
            left, lower = seen.left - box.left, seen.lower - box.lower
            found[lower : lower + seen.height, left : left + seen.width] = turned
        return found


def valued(stored: NDArray[Any], scaling: Scaling) -> Values:
    """Return the values that numbers of a file stand for, NaN for blank and infinite ones."""
    # Those that float32 holds exactly.
    small = stored.dtype.itemsize <= (2 if stored.dtype.kind in "iu" else 4)
    simple = scaling.scale == 1.0 and scaling.zero in (0.0, 32768.0, -128.0)
    values: Values = stored.astype(np.float32 if small and simple else np.float64)
    with np.errstate(all="ignore"):
        if scaling.scale != 1.0:
            np.multiply(values, scaling.scale, out=values)
        if scaling.zero:
            np.add(values, values.dtype.type(scaling.zero), out=values)
    if scaling.blank is not None and stored.dtype.kind in "iu":
        values[stored == scaling.blank] = np.nan
    if stored.dtype.kind == "f":
        values[np.isinf(values)] = np.nan
    return values


def _planes(axes: tuple[int, ...]) -> int:
    count = 1
    for side in axes[2:]:
        count *= side
    return count


def _common(place: Section, box: Section) -> Section | None:
    left, right = max(place.left, box.left), min(place.right, box.right)
    lower, upper = max(place.lower, box.lower), min(place.upper, box.upper)
    return Section(left, lower, right, upper) if left < right and lower < upper else None


def _source(part: Amplifier, seen: Section) -> Section:
    """Return where in its HDU a part of an amplifier is that is seen at `seen` of the detector."""
    own, place = part.source.section, part.place
    if part.source.mirrored:
        left = own.left + place.right - seen.right
    else:
        left = own.left + seen.left - place.left
    if part.source.flipped:
        lower = own.lower + place.upper - seen.upper
    else:
        lower = own.lower + seen.lower - place.lower
    return Section(left, lower, left + seen.width, lower + seen.height)


def version_of(path: Path) -> tuple[str, int, int]:
    """Return what changes when a file does."""
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size


class Kept:
    """Arrays in memory up to a number of bytes; the least recently used go first."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._arrays: OrderedDict[Any, NDArray[Any]] = OrderedDict()

    def get(self, key: Any, make: Any) -> NDArray[Any]:
        """Return the array of a key, made if need be."""
        if key not in self._arrays:
            array = make()
            while self._arrays and self._bytes() + array.nbytes > self._limit_bytes:
                self._arrays.popitem(last=False)
            self._arrays[key] = array
        self._arrays.move_to_end(key)
        return self._arrays[key]

    def _bytes(self) -> int:
        return sum(array.nbytes for array in self._arrays.values())


_KEPT = Kept(ALL_KEPT_BYTES)
