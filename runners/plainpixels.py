"""Pixels that are stored as they are: where they lie is kept, and they are read from there.

To open a file again takes astropy four times as long as to read the pixels of a camera's frame.
What is scaled, packed or has blank pixels is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

#: Types that float32 holds exactly, by BITPIX (FITS standard 4.0, table 8).
TYPES = {8: ">u1", 16: ">i2", -32: ">f4"}
#: What BZERO adds to 16-bit numbers that have no sign (FITS standard 4.0, table 11).
UNSIGNED_ZERO = 32768


@dataclass(frozen=True, slots=True)
class PlainPixels:
    """Where in a file pixels begin, in bytes, their type, and what is to be added to each."""

    offset: int
    dtype: str
    zero: int

    def read(self, path: Path, height: int, width: int) -> NDArray[np.float32]:
        """The pixels, shape (height, width), as native float32.

        Raises ValueError if the file no longer has them all, and OSError if it cannot be read.
        """
        count = height * width
        stored = np.fromfile(path, self.dtype, count, offset=self.offset)
        if stored.size < count:
            raise ValueError(f"of {count:,} pixels only {stored.size:,} are there")
        image = stored.astype(np.float32).reshape(height, width)
        if self.zero:
            image += np.float32(self.zero)
        return image


def plain_pixels(hdu: Any, path: Path) -> PlainPixels | None:
    """Where the pixels of an image HDU lie in the file, or None where that does not do."""
    header, place = hdu.header, hdu.fileinfo()
    bits, zero = header["BITPIX"], header.get("BZERO", 0)
    is_plain = (
        not isinstance(hdu, fits.CompImageHDU)
        and bits in TYPES
        and header.get("BSCALE", 1) == 1
        and zero in (0, UNSIGNED_ZERO if bits == 16 else 0)
        and "BLANK" not in header
        and place["file"].name == str(path)  # not unpacked to another
    )
    return PlainPixels(place["datLoc"], TYPES[bits], int(zero)) if is_plain else None
