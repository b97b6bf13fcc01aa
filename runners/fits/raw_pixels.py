"""Pixels that are stored as they are: where they lie is kept, and they are read from there.

For a camera's frame astropy takes longer to open the file than all pixels take to be read. What is
scaled, packed, has blank pixels or is odd in any way is left to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from runners.fits.files import SIGNATURE

#: Types that float32 holds exactly, by BITPIX (FITS standard 4.0, table 8).
TYPES = {8: ">u1", 16: ">i2", -32: ">f4"}
#: What BZERO adds to 16-bit numbers that have no sign (FITS standard 4.0, table 11).
UNSIGNED_ZERO = 32768
#: Longer headers are left to astropy.
HEADER_BYTES = 36 * 2880


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
    place = hdu.fileinfo()
    if isinstance(hdu, fits.CompImageHDU) or place["file"].name != str(path):
        return None  # packed, or unpacked to another file
    return _pixels_by(hdu.header, place["datLoc"])


def plain_primary(path: Path) -> tuple[fits.Header, PlainPixels] | None:
    """The header of the primary HDU and where its pixels lie, if that is a whole, plain image.

    None where it is not, or where anything is wrong: astropy will tell what.
    """
    try:
        with path.open("rb") as file:
            start = BytesIO(file.read(HEADER_BYTES))
            if not start.getvalue().startswith(SIGNATURE):
                return None
            header = fits.Header.fromfile(start)
            plain = _pixels_by(header, start.tell())
            if plain is None or header["SIMPLE"] is not True or header["NAXIS"] != 2:
                return None
            width, height = header["NAXIS1"], header["NAXIS2"]
            whole = plain.offset + width * height * np.dtype(plain.dtype).itemsize
            is_whole = min(width, height) > 0 and whole <= file.seek(0, SEEK_END)
            return (header, plain) if is_whole else None
    except Exception:
        return None


def _pixels_by(header: fits.Header, offset: int) -> PlainPixels | None:
    bits, zero = header["BITPIX"], header.get("BZERO", 0)
    is_plain = (
        bits in TYPES
        and header.get("BSCALE", 1) == 1
        and zero in (0, UNSIGNED_ZERO if bits == 16 else 0)
        and "BLANK" not in header
    )
    return PlainPixels(offset, TYPES[bits], int(zero)) if is_plain else None
