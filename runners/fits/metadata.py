"""The metadata of a FITS file: date, exposure, filter, instrument and size, from its headers.

No pixel is read. Dates are left to `dates`. Images are found as in `images`, but none is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from runners.fits.cards import Cards
from runners.fits.dates import EXPOSURE_KEYWORDS, observation_date
from runners.fits.files import FrameError, is_of_machine, open_fits, quiet
from runners.fits.filters import filter_of
from runners.fits.images import find_frame, first_number, first_text
from runners.fits.raw_pixels import plain_primary
from runners.fits.selection import LEAST_SIDE, select, survey


def fits_metadata(path: str | Path) -> dict[str, Any] | None:
    """Return the metadata of a file, None if it is not a FITS file with legible headers.

    `date` in Unix seconds, `exposure` in seconds, `filter` and `instrument` as text, `width` and
    `height` of the image in pixels; each None where the headers do not give it. Only where the
    image cannot be used there is a `problem`: what follows the file's name, such as "is cut short".
    Raise OSError if the machine is why the file cannot be read now, but for nothing that a file
    holds.
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
    if (plain := plain_primary(path)) is not None:  # several times as fast
        cards = plain[0]
        width, height = int(str(cards["NAXIS1"])), int(str(cards["NAXIS2"]))
        facts = _facts([cards], width, height)
        return facts if min(width, height) >= LEAST_SIDE else facts | _problem(path)
    with open_fits(path, path.name) as hdus:
        try:
            found = select(hdus, path.name)
        except FrameError:
            return _facts(survey(hdus)[0], None, None)
        facts = _facts(found.facts, found.width, found.height, found.dates)
    return facts | _problem(path)


def _problem(path: Path) -> dict[str, str]:
    """Return why the image of a file cannot be used, as far as its headers and size tell."""
    try:
        find_frame(path)
    except FrameError as error:
        return {"problem": error.problem}
    return {}


def _facts(
    headers: Sequence[Cards],
    width: int | None,
    height: int | None,
    dates: Sequence[Cards] | None = None,
) -> dict[str, Any]:
    return {
        "date": _date(headers if dates is None else dates),
        "exposure": first_number(headers, *EXPOSURE_KEYWORDS),
        "filter": filter_of(headers),
        "instrument": first_text(headers, "INSTRUME"),
        "width": width,
        "height": height,
    }


def _date(headers: Sequence[Cards]) -> float | None:
    try:
        return observation_date(headers)
    except ValueError:
        return None
