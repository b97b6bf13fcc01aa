"""What a renderer needs to know of an image: its pixels, and the facts that headers give of them.

Finding and reading the image is left to `images`, showing it to `runners.imaging`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runners.fits.cards import number
from runners.fits.filters import filter_of

#: Pixels, shape (height, width), bottom row first as FITS stores them, or (3, height, width) of
#: red, green and blue.
Pixels = NDArray[np.float32]
#: The same, or whole numbers as a file holds them.
Stored = NDArray[Any]

#: The four arrangements of a Bayer matrix.
MOSAICS = frozenset({"RGGB", "BGGR", "GRBG", "GBRG"})
#: The one of most cameras, for headers that say `BAYERPAT = 'TRUE'` and no more.
USUAL_MOSAIC = "RGGB"
_BINNING = ("XBINNING", "YBINNING")
MOSAIC_KEYWORDS = ("BAYERPAT", "COLORTYP", "BAYRPAT", "BAYERPATTERN", "CFAPATT", "CFA-PAT")
OVERSCAN_KEYWORDS = ("BIASSEC", "OVERSCAN", "OVRSEC", "PRESCAN",
                     *(f"BIASSEC{n}" for n in range(1, 9)),
                     *(f"BIASSEC{side}" for side in "ABCDLR"))  # fmt: skip
#: Pixels sampled of a mosaic, the least number of each colour, and by how many times the error of
#: its level (here that is the usual deviation over the root of the number) a colour differs.
COLOUR_SAMPLES, LEAST_CORNER, COLOUR_ERRORS = 40_000, 50, 12.0
#: An overscan that is at least this part of a side takes whole columns or rows.
WHOLE_SIDE = 0.9
_SECTION = re.compile(r"\[?\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an image, in pixels from 0: `right` and `upper` are the first ones outside."""

    left: int
    lower: int
    right: int
    upper: int

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """The number of rows."""
        return self.upper - self.lower

    def of(self, pixels: Pixels) -> Pixels:
        """Return this part of the pixels, as a view."""
        return pixels[..., self.lower : self.upper, self.left : self.right]


@dataclass(frozen=True, slots=True)
class Layout:
    """What the pixels of an image are.

    `section` is the part that has sky (`TRIMSEC`, else `DATASEC`), None for the whole image;
    `overscan` are the parts of `BIASSEC`. `mosaic` names the colours of a camera with a Bayer
    matrix, such as `GRBG`: of the pixels (x, y) = (0, 0), (1, 0), (0, 1), (1, 1) of the array as it
    is stored, offsets (`XBAYROFF`, `YBAYROFF`) already counted. `unsure` is true where pixels may
    have no colours: they were put together, by which some cameras lose these, or no header names
    the pattern. `top_down` is true where the first row belongs to the top (`ROWORDER`); pixel
    coordinates are those of FITS all the same. `planes` is 3 for red, green and blue, else 1.
    `filter` is None if none is known.
    """

    section: Section | None = None
    overscan: tuple[Section, ...] = ()
    mosaic: str | None = None
    unsure: bool = False
    top_down: bool = False
    planes: int = 1
    filter: str | None = None


#: The layout of an image whose headers tell nothing.
UNKNOWN = Layout()


@dataclass(frozen=True, slots=True)
class ScienceImage:
    """The pixels of an image, as native float32 with NaN for blanks, and their layout.

    What a file holds is `zero + unit * pixels`: other than 0 and 1 only where float32 cannot hold
    the range or the steps of the file's numbers, and where pixels are whole numbers as stored.
    """

    pixels: Stored
    layout: Layout
    zero: float = 0.0
    unit: float = 1.0


@dataclass(frozen=True, slots=True)
class Span:
    """A section as IRAF writes it, `[x1:x2,y1:y2]`; `mirrored` in x, `flipped` in y."""

    section: Section
    mirrored: bool = False
    flipped: bool = False


def has_colours(mosaic: Stored) -> bool:
    """Return whether the pixels of a mosaic differ by colour, as those of a sky do by its colour.

    A camera that has put 2 x 2 of them together still names its pattern in headers.
    """
    step = max(1, round((mosaic.size / COLOUR_SAMPLES) ** 0.5 / 2)) * 2
    corners = [mosaic[y::step, x::step].ravel() for y in (0, 1) for x in (0, 1)]
    known = [corner[~np.isnan(corner)] for corner in corners]
    if min(corner.size for corner in known) < LEAST_CORNER:
        return True
    levels = [float(np.median(corner)) for corner in known]
    spread = float(np.median(np.abs(known[0] - levels[0])))
    error = max(spread / min(corner.size for corner in known) ** 0.5, 1e-6 * abs(levels[0]))
    return bool(max(levels) - min(levels) > COLOUR_ERRORS * error)


def spans(value: object) -> list[Span]:
    """Return the sections in the text of a keyword; there may be several, or none."""
    if not isinstance(value, str):
        return []
    found = []
    for match in _SECTION.finditer(value[:1000]):
        if max(map(len, match.groups())) > 9 or "0" in match.groups():
            continue
        x1, x2, y1, y2 = map(int, match.groups())
        section = Section(min(x1, x2) - 1, min(y1, y2) - 1, max(x1, x2), max(y1, y2))
        found.append(Span(section, mirrored=x2 < x1, flipped=y2 < y1))
    return found


def layout_of(
    headers: Sequence[Mapping[str, object]], width: int, height: int, planes: int
) -> Layout:
    """Return the layout of an image of this size by its own header, which is first, and others."""
    own = headers[0]
    overscan = _overscan(own, width, height)
    mosaic, is_usual = _mosaic(headers) if planes == 1 else (None, False)
    order = next((value for header in headers if (value := header.get("ROWORDER"))), "")
    return Layout(
        section=_section(own, width, height, overscan),
        overscan=overscan,
        mosaic=mosaic,
        unsure=is_usual or any((number(own.get(key)) or 1) > 1 for key in _BINNING),
        top_down=str(order).strip().upper().replace("_", "-").startswith("TOP"),
        planes=planes,
        filter=filter_of(headers),
    )


def _section(
    own: Mapping[str, object], width: int, height: int, overscan: tuple[Section, ...]
) -> Section | None:
    whole = Section(0, 0, width, height)
    for keyword in ("TRIMSEC", "DATASEC"):
        for span in spans(own.get(keyword))[:1]:
            if _is_within(span.section, width, height):
                return None if span.section == whole else span.section
    rest = whole
    for part in overscan:
        rest = _without(rest, part)
    return None if rest == whole or min(rest.width, rest.height) < 1 else rest


def _overscan(own: Mapping[str, object], width: int, height: int) -> tuple[Section, ...]:
    found = [span.section for key in OVERSCAN_KEYWORDS for span in spans(own.get(key))]
    return tuple(dict.fromkeys(part for part in found if _is_within(part, width, height)))


def _is_within(section: Section, width: int, height: int) -> bool:
    """Return whether a section is one of this image, and not of the detector before binning."""
    return section.right <= width and section.upper <= height


def _without(rest: Section, part: Section) -> Section:
    """Return what is left without whole columns or rows at an edge."""
    left, lower, right, upper = rest.left, rest.lower, rest.right, rest.upper
    if part.height >= WHOLE_SIDE * rest.height:
        if part.left <= left:
            left = max(left, part.right)
        elif part.right >= right:
            right = min(right, part.left)
    elif part.width >= WHOLE_SIDE * rest.width:
        if part.lower <= lower:
            lower = max(lower, part.upper)
        elif part.upper >= upper:
            upper = min(upper, part.lower)
    return Section(left, lower, right, upper)


def _mosaic(headers: Sequence[Mapping[str, object]]) -> tuple[str | None, bool]:
    """Return the pattern, and whether it is the usual one as headers only say that there is one."""
    for header in headers:
        for keyword in MOSAIC_KEYWORDS:
            named = str(header.get(keyword) or "").strip(" '\"").upper()
            # `BAYER_RG` and `BAYERRG16` name the first two colours only.
            if two := re.fullmatch(r"BAYER_?(RG|BG|GR|GB)\d*", named):
                named = {"RG": "RGGB", "BG": "BGGR", "GR": "GRBG", "GB": "GBRG"}[two[1]]
            if named in MOSAICS:
                return _shifted(named, header), False
    for header in headers:
        if str(header.get("BAYERPAT") or "").strip(" '\"").upper() in ("TRUE", "T"):
            return _shifted(USUAL_MOSAIC, header), True
    return None, False


def _shifted(mosaic: str, header: Mapping[str, object]) -> str:
    """Return a pattern as it is at the first pixel stored, which may be within the pattern."""
    if _is_odd(header, "XBAYROFF", "BAYOFFX"):
        mosaic = mosaic[1] + mosaic[0] + mosaic[3] + mosaic[2]
    return mosaic[2:] + mosaic[:2] if _is_odd(header, "YBAYROFF", "BAYOFFY") else mosaic


def _is_odd(header: Mapping[str, object], *keywords: str) -> bool:
    given = (number(header.get(key)) for key in keywords)
    return next((round(value) % 2 == 1 for value in given if value is not None), False)
