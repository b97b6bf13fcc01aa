"""Frames: the first 2-D image of a FITS file, found by its headers and read on demand.

Headers are checked before any pixel is read. Opening is left to `files`, dates to `dates`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from runners.fits.dates import observation_date
from runners.fits.files import FrameError, check_ratio, open_fits, reading, walk
from runners.fits.raw_pixels import PlainPixels, plain_pixels, plain_primary

#: Pixels, shape (height, width).
Image = NDArray[np.float32]

#: Some libraries crash on images with shorter sides, which show nothing anyway.
LEAST_SIDE = 16
#: 20,000 x 20,000: beyond any single detector, and 1.6 GB as float32.
MOST_PIXELS = 400_000_000
BLOCK_BYTES = 2880


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of an image and its metadata: sides in pixels, date in Unix seconds.

    If `date` is None, `undated` is the problem, for a FrameError. Frames of one `kind` (filter and
    exposure) should be equally bright. `arcsec` is the angular size of a pixel, None if the headers
    do not give it. `plain` is set where the pixels can be read without astropy.
    """

    path: Path
    name: str
    hdu: int
    width: int
    height: int
    date: float | None
    undated: str
    kind: str
    arcsec: float | None = None
    plain: PlainPixels | None = None

    @property
    def sides(self) -> str:
        """Width x height, the order of FITS."""
        return f"{self.width} x {self.height}"


def find_frame(path: Path, name: str | None = None) -> Frame:
    """Return the first 2-D image of positive size; further axes of one pixel are allowed.

    Only headers are read. Raise FrameError, with `name`, if there is no such image, and if it is
    tiny, huge or cut short.
    """
    name = name or path.name
    return _find_plain(path, name) or _find(path, name)


def _find_plain(path: Path, name: str) -> Frame | None:
    """Return the frame of a file whose first header suffices, else None."""
    found = plain_primary(path)
    if found is None:
        return None
    header, plain = found
    with reading(name):
        date = _date_by([header])
        if date is None:
            return None
        axes = header["NAXIS1"], header["NAXIS2"]
        _check_size(name, axes)
        return _frame(path, name, hdu=0, axes=axes, headers=[header], dated=(date, ""), plain=plain)


def _find(path: Path, name: str) -> Frame:
    with open_fits(path, name) as hdus:
        headers: list[Any] = []
        others: list[tuple[int, ...]] = []
        for index, hdu in walk(hdus):
            headers.append(hdu.header)
            axes = image_axes(hdu)
            if is_flat(axes):
                _check_size(name, axes)
                _check_extent(name, path, hdu)
                return _frame(
                    path,
                    name,
                    hdu=index,
                    axes=axes,
                    headers=headers,
                    dated=_date(headers, hdus),
                    plain=plain_pixels(hdu, path),
                )
            if axes:
                others.append(axes)
        raise FrameError(name, _no_image(others))


def read_frame(frame: Frame) -> Image:
    """Return the pixels, shape (height, width), bottom row first, as native float32.

    BZERO and BSCALE are applied; blank and infinite pixels are NaN. Raise FrameError if the file
    cannot be read or no pixel is finite.
    """
    image = _pixels(frame)
    finite = np.isfinite(image)
    if not finite.all():
        image = np.where(finite, image, np.float32(np.nan))
        if np.isnan(image).all():
            raise FrameError(frame.name, "has no finite pixel")
    return image


def _pixels(frame: Frame) -> Image:
    if frame.plain is not None:
        with reading(frame.name):
            return frame.plain.read(frame.path, frame.height, frame.width)
    with open_fits(frame.path, frame.name) as hdus, np.errstate(all="ignore"):
        data = hdus[frame.hdu].data
        return np.asarray(data, dtype=np.float32).reshape(frame.height, frame.width)


def image_axes(hdu: Any) -> tuple[int, ...]:
    """Return the declared sides of an image HDU, width first; empty for any other HDU."""
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return ()
    count = hdu.header.get("NAXIS", 0)
    return tuple(int(hdu.header[f"NAXIS{axis}"]) for axis in range(1, count + 1))


def is_flat(axes: tuple[int, ...]) -> bool:
    """Return whether these are the sides of a 2-D image that is not empty."""
    return len(axes) >= 2 and min(axes) > 0 and all(side == 1 for side in axes[2:])


def first_text(headers: list[Any], *keywords: str) -> str | None:
    """Return the first value of these keywords that is not blank, as text."""
    for keyword in keywords:
        for header in headers:
            text = str(header.get(keyword) or "").strip()
            if text:
                return text[:200]
    return None


def first_number(headers: list[Any], *keywords: str) -> float | None:
    """Return the first value of these keywords that is a finite number and not negative."""
    for keyword in keywords:
        for header in headers:
            value = header.get(keyword)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and 0 <= value < math.inf:
                return float(value)
    return None


def _frame(
    path: Path,
    name: str,
    *,
    hdu: int,
    axes: tuple[int, ...],
    headers: list[Any],
    dated: tuple[float | None, str],
    plain: PlainPixels | None,
) -> Frame:
    date, undated = dated
    return Frame(
        path=path,
        name=name,
        hdu=hdu,
        width=axes[0],
        height=axes[1],
        date=date,
        undated=undated,
        kind=_kind(headers),
        arcsec=pixel_scale(headers[-1]),
        plain=plain,
    )


def _kind(headers: list[Any]) -> str:
    exposure = first_number(headers[::-1], "EXPTIME", "EXPOSURE")
    # Two digits, as exposures differ slightly by the shutter.
    rounded = "" if exposure is None else f"{exposure:.1e}"
    return f"{first_text(headers[::-1], 'FILTER') or ''} {rounded}"


def pixel_scale(header: Any) -> float | None:
    """Return the side of a pixel in arcseconds, by a celestial WCS (Calabretta & Greisen 2002)."""
    if not str(header.get("CTYPE1", "")).upper().startswith(("RA--", "DEC-", "GLON", "GLAT")):
        return None
    try:
        if "CD1_1" in header:
            cd = [float(header.get(f"CD{i}_{j}", 0.0)) for i in (1, 2) for j in (1, 2)]
        else:
            turn = [float(header.get(f"PC{i}_{j}", i == j)) for i in (1, 2) for j in (1, 2)]
            steps = [float(header[f"CDELT{i}"]) for i in (1, 1, 2, 2)]
            cd = [step * part for step, part in zip(steps, turn, strict=True)]
        side = abs(cd[0] * cd[3] - cd[1] * cd[2]) ** 0.5 * 3600
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    return side if 0 < side < math.inf else None


def _date(headers: list[Any], hdus: Any) -> tuple[float | None, str]:
    date = _date_by(headers)
    if date is not None:
        return date, ""
    try:  # rare enough to read the rest of the file
        return observation_date([hdu.header for _, hdu in walk(hdus)]), ""
    except ValueError as problem:
        return None, str(problem)


def _date_by(headers: list[Any]) -> float | None:
    try:
        return observation_date(headers)
    except ValueError:
        return None


def _check_size(name: str, axes: tuple[int, ...]) -> None:
    width, height = axes[:2]
    if width * height > MOST_PIXELS:
        problem = f"declares {width} x {height} pixels, over the limit of {MOST_PIXELS:,}"
        raise FrameError(name, problem)
    if min(width, height) < LEAST_SIDE:
        problem = f"is {width} x {height} pixels, and at least {LEAST_SIDE} a side are needed"
        raise FrameError(name, problem)


def _check_extent(name: str, path: Path, hdu: Any) -> None:
    """Raise FrameError for more data than the file holds, before a library allocates memory."""
    place, file = hdu.fileinfo(), hdu.fileinfo()["file"]
    pixel_bytes = abs(int(hdu.header["BITPIX"])) // 8
    unpacked_bytes = int(hdu.header["NAXIS1"]) * int(hdu.header["NAXIS2"]) * pixel_bytes
    if isinstance(hdu, fits.CompImageHDU):
        check_ratio(name, path.stat().st_size, unpacked_bytes)
        # The end of a table's heap is known only to the nearest block.
        unpacked_bytes = place["datSpan"] - BLOCK_BYTES + 1
    needed = place["datLoc"] + unpacked_bytes
    if needed > file.size:
        problem = f"is cut short: of at least {needed:,} bytes it has {file.size:,}"
        raise FrameError(name, problem)


def _no_image(others: list[tuple[int, ...]]) -> str:
    if not others:
        return "holds no image"
    sides = " x ".join(str(side) for side in others[0])
    return f"holds no 2-D image, but one of {sides} pixels"
