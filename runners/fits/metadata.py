"""What the headers of a FITS file tell: when, how long, through what, with what, how large.

No pixel is read. Dates are left to `dates`, images are found as in `frames`; but here nothing is
refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runners.fits.dates import observation_date
from runners.fits.files import FrameError, open_fits, quiet, walk
from runners.fits.images import first_number, first_text, image_axes, is_flat


def fits_metadata(path: str | Path) -> dict[str, Any] | None:
    """Facts on a file, None if it is no FITS file or one whose headers cannot be read.

    `date` in Unix seconds, `exposure` in seconds, `filter` and `instrument` as text, `width` and
    `height` of the first 2-D image in pixels; each None where the file does not tell. Never raises.
    """
    with quiet():
        try:
            return _facts(Path(path))
        except (FrameError, OSError):
            return None


def _facts(path: Path) -> dict[str, Any]:
    headers: list[Any] = []
    width = height = None
    with open_fits(path, path.name) as hdus:
        for _, hdu in walk(hdus):
            headers.append(hdu.header)
            axes = image_axes(hdu)
            if is_flat(axes):
                width, height = axes[:2]
                break
        # An extension's own words come before those of the file as a whole.
        return {
            "date": _date(headers),
            "exposure": first_number(headers[::-1], "EXPTIME", "EXPOSURE"),
            "filter": first_text(headers[::-1], "FILTER"),
            "instrument": first_text(headers[::-1], "INSTRUME"),
            "width": width,
            "height": height,
        }


def _date(headers: list[Any]) -> float | None:
    try:
        return observation_date(headers)
    except ValueError:
        return None
