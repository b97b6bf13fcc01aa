"""The metadata of a FITS file: date, exposure, filter, instrument and size, from its headers.

No pixel is read. Dates are left to `dates`. Images are found as in `images`, but none is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from runners.fits.dates import observation_date
from runners.fits.files import FrameError, is_of_machine, open_fits, quiet, walk
from runners.fits.images import first_number, first_text, image_axes, is_flat


def fits_metadata(path: str | Path) -> dict[str, Any] | None:
    """Return the metadata of a file, None if it is not a FITS file with legible headers.

    `date` in Unix seconds, `exposure` in seconds, `filter` and `instrument` as text, `width` and
    `height` of the first 2-D image in pixels; each None where the headers do not give it. Raise
    OSError if the machine is why the file cannot be read now, but for nothing that a file holds.
    """
    with quiet():
        try:
            return _metadata(Path(path))
        except (FrameError, OSError) as error:
            cause = error.__cause__ or error
            if is_of_machine(cause):
                raise cause from None
            return None


def _metadata(path: Path) -> dict[str, Any]:
    headers: list[Any] = []
    width = height = None
    with open_fits(path, path.name) as hdus:
        for _, hdu in walk(hdus):
            headers.append(hdu.header)
            axes = image_axes(hdu)
            if is_flat(axes):
                width, height = axes[:2]
                break
        # The headers of an extension take precedence over the primary header.
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
