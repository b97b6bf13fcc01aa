"""Reads pixels that are stored plainly from their place in the file, without astropy.

For a camera's frame, astropy takes longer to open the file than reading all pixels takes. Images
that are scaled, packed, partly blank or odd in any way are left to it.
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
#: BZERO of unsigned 16-bit numbers (FITS standard 4.0, table 11).
UNSIGNED_ZERO = 32768
#: Longer headers are left to astropy.
HEADER_BYTES = 36 * 2880


@dataclass(frozen=True, slots=True)
class PlainPixels:
    """Where the pixels of a file begin, in bytes, their type, and what is added to each."""

    offset: int
    dtype: str
    zero: int

    def read(self, path: Path, height: int, width: int) -> NDArray[np.float32]:
        """Return the pixels, shape (height, width), as native float32.

        Raise ValueError if the file no longer has them all, and OSError if it cannot be read.
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
    """Return where the pixels of an image HDU are in the file, None if they need astropy."""
    place = hdu.fileinfo()
    if isinstance(hdu, fits.CompImageHDU) or place["file"].name != str(path):
        return None  # packed, or unpacked to another file
    return _pixels_by(hdu.header, place["datLoc"])


def plain_primary(path: Path) -> tuple[fits.Header, PlainPixels] | None:
    """Return the primary header and where its pixels are, if that is a complete, plain image.

    None if it is not, or if anything is wrong: astropy finds out what.
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
