"""Which image of a file a viewer looks at: an HDU by its number, or a detector by its amplifiers.

A detector that has an HDU for each amplifier is one image more, numbered after the last HDU.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from astropy.io import fits

from runners.fits.cards import Cards
from runners.fits.files import FrameError, open_fits, quiet, walk
from runners.fits.images import check_extent
from runners.fits.science import Layout, Section, has_colours, layout_of
from runners.fits.selection import MOST_PIXELS, Amplifier, Candidate, image_axes, select, survey
from runners.fits.viewing.errors import WrongRequest
from runners.fits.viewing.pixels import DetectorPixels, ImagePixels, Pixels
from runners.fits.viewing.sky_grid import SkyGrid, detector_sky, image_sky

#: Files whose images are remembered, so that a window is read without walking through its HDUs.
MOST_KNOWN = 16
#: The part of a mosaic that is looked at to find out whether its pixels have colours.
LOOKED_AT = 512


@dataclass(frozen=True, slots=True)
class View:
    """An image that is looked at: its number, its pixels, what they are, and its coordinates."""

    hdu: int
    pixels: Pixels
    layout: Layout
    sky: SkyGrid | None


def view_of(path: Path, hdu: int | None) -> tuple[View, list[dict[str, Any]]]:
    """Return the image with this number, by default that of the sky, and all HDUs.

    HDUs have `index`, `name`, `kind` and `shape` (as numpy has it; rows and columns of a table).
    Raise WrongRequest for a number that is none of an image, FrameError if there is no image.
    """
    status = path.stat()
    key = (str(path), status.st_mtime_ns, status.st_size, hdu)
    if key not in _KNOWN:
        with quiet(), open_fits(path, path.name, keep=True) as hdus:
            problem = None
            try:
                found = _view(hdus, path, hdu), _hdus(hdus, path)
            except WrongRequest as error:  # which is about the request, not about the file
                problem = error
        if problem is not None:
            raise problem
        if len(_KNOWN) == MOST_KNOWN:
            _KNOWN.popitem(last=False)
        _KNOWN[key] = found
    _KNOWN.move_to_end(key)
    return _KNOWN[key]


_KNOWN: OrderedDict[Any, tuple[View, list[dict[str, Any]]]] = OrderedDict()


def _view(hdus: fits.HDUList, path: Path, wanted: int | None) -> View:
    headers, candidates, _ = survey(hdus)
    if wanted is None:
        chosen = select(hdus, path.name)
        if chosen.amplifiers:
            return _detector(hdus, path, headers)
        return _image(hdus, path, headers, chosen.chosen)
    for candidate in candidates:
        if candidate.index == wanted:
            return _image(hdus, path, headers, candidate)
    if wanted == len(headers) and candidates and select(hdus, path.name).amplifiers:
        return _detector(hdus, path, headers)
    if not candidates:
        raise FrameError(path.name, "holds no image")
    raise WrongRequest("hdu", f"HDU {wanted} of this file is no image.")


def _image(hdus: fits.HDUList, path: Path, headers: list[Cards], chosen: Candidate) -> View:
    check_extent(path.name, path, chosen)
    width, height = chosen.sides
    if width * height > MOST_PIXELS:
        raise FrameError(path.name, f"declares {width} x {height} pixels, which are too many")
    pixels = ImagePixels.of(chosen, path, path.name)
    facts = [chosen.cards, *(cards for cards in headers[:1] if cards is not chosen.cards)]
    layout = _sure(layout_of(facts, width, height, chosen.planes), pixels)
    return View(chosen.index, pixels, layout, image_sky(hdus, chosen, width, height))


def _detector(hdus: fits.HDUList, path: Path, headers: list[Cards]) -> View:
    found = select(hdus, path.name)
    parts: list[tuple[ImagePixels, Amplifier]] = []
    for candidate, part in found.amplifiers:
        check_extent(path.name, path, candidate)
        parts.append((ImagePixels.of(candidate, path, path.name), part))
    pixels = DetectorPixels(found.width, found.height, parts)
    layout = replace(layout_of(found.facts, 0, 0, 1), section=None, overscan=())
    sky = detector_sky(hdus, found.amplifiers, found.width, found.height)
    return View(len(headers), pixels, _sure(layout, pixels), sky)


def _sure(layout: Layout, pixels: Pixels) -> Layout:
    """Return the layout without a mosaic whose pixels have no colours after all."""
    if not (layout.mosaic and layout.unsure):
        return layout
    left, lower = (max(0, side - LOOKED_AT) // 4 * 2 for side in (pixels.width, pixels.height))
    right, upper = min(left + LOOKED_AT, pixels.width), min(lower + LOOKED_AT, pixels.height)
    looked_at = pixels.values(0, Section(left, lower, right, upper))
    return layout if has_colours(looked_at) else replace(layout, mosaic=None)


def _hdus(hdus: fits.HDUList, path: Path) -> list[dict[str, Any]]:
    found = [
        {"index": index, "name": _name(hdu), "kind": _kind(hdu), "shape": _shape(hdu)}
        for index, hdu in walk(hdus)
    ]
    try:
        whole = select(hdus, path.name)
    except FrameError:
        return found
    if whole.amplifiers:
        shape = [whole.height, whole.width]
        detector = {"index": len(found), "name": "DETECTOR", "kind": "detector", "shape": shape}
        found.append(detector)
    return found


def _name(hdu: Any) -> str:
    text = str(hdu.name or "")[:80]
    return "".join(c if c.isprintable() else " " for c in text).encode("utf-8", "replace").decode()


def _kind(hdu: Any) -> str:
    if isinstance(hdu, fits.CompImageHDU):
        return "compressed image"
    if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
        return "table"
    return "image" if image_axes(hdu) else "header"


def _shape(hdu: Any) -> list[int]:
    if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
        return [int(hdu.header.get("NAXIS2", 0)), int(hdu.header.get("TFIELDS", 0))]
    return list(image_axes(hdu)[::-1])
