"""Which image of a file is shown: that of the sky, before its masks, thumbnails and guiders.

Several amplifiers of one detector are one image, and so are three of red, green and blue. No pixel
is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from astropy.io import fits

from runners.fits.cards import Cards
from runners.fits.files import FrameError, walk
from runners.fits.science import Section, Span, layout_of, spans

#: Some libraries crash on images with shorter sides, which show nothing anyway.
LEAST_SIDE = 16
#: 20,000 x 20,000: beyond any single detector, and 1.6 GB as float32.
MOST_PIXELS = 400_000_000
#: A sequence has at most so many frames.
MOST_FRAMES = 100_000
#: An image smaller than this part of the largest one is a thumbnail.
THUMBNAIL = 0.5
#: Amplifiers cover at least this part of what they are put together to.
LEAST_COVERED = 0.5
#: Names of extensions (words of `EXTNAME`) that hold the sky …
_SCIENCE = re.compile(r"SCI|SCIENCE|IMAGE|DATA|OBJECT|FLUX|CALIBRATED")
#: … and of those that say something of it: masks, errors, weights, thumbnails, guiders.
_AUXILIARY = re.compile(
    r"DQ|DQI|WHT|WGT|WT|WEIGHTS?|W?MAP|ERR|ERRORS?|VAR|VARIANCES?|I?VAR|INVVAR|BPM|BADPIX\w*"
    r"|MASKS?|FLAGS?|QUAL|QUALITY|CTX|CON|CONTEXT|THUMB\w*|PREVIEW|QUICKLOOK|GUID\w*|FOCUS"
    r"|ACQ\w*|FINDER|UNC\w*|RMS|SIGMA|STD\w*|SNR|NOISE|EXPMAP|COVERAGE|COV|NPIX|BKG|BACK\w*"
    r"|PSF|SAMP|TIME|APERTURE|D2IM\w*|WCSDV\w*|DARK|FLAT|BIAS|HISTOGRAM|CATALOG\w*|SEG\w*"
)
#: Keywords of the third axis that say that planes are not colours.
_NO_COLOURS = re.compile(r"(TIME|UTC|FREQ|WAVE|AWAV|VRAD|VELO|VOPT|STOKES|FRAME|SEQ|ENER)", re.I)
#: What the images of red, green and blue are called, where each has an extension.
_COLOURS = (("RED", "GREEN", "BLUE"), ("R", "G", "B"))
_DETECTORS = ("CCDNAME", "CCDNUM", "CCDID", "CHIPID", "DETECTOR", "DETNAME", "CCD_ID")


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image HDU: its place, its sides (width first), its cards, and whether it is of the sky.

    `rank` is 0 for what is called science, 2 for masks and the like, 1 for anything else.
    """

    index: int
    hdu: Any
    axes: tuple[int, ...]
    cards: Cards
    rank: int

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return (self.axes[1], self.axes[2]) if self.interleaved else (self.axes[0], self.axes[1])

    @property
    def interleaved(self) -> bool:
        """Whether the colours of each pixel are stored together."""
        deep = [side for side in self.axes[2:] if side != 1]
        return self.axes[0] == 3 and len(deep) == 1 and min(self.axes[1], deep[0]) >= LEAST_SIDE

    @property
    def planes(self) -> int:
        """3 for red, green and blue, else 1."""
        deep = [side for side in self.axes[2:] if side != 1]
        no_colours = _NO_COLOURS.match(str(self.cards.get("CTYPE3") or ""))
        return 3 if self.interleaved or (deep == [3] and not no_colours) else 1

    @property
    def frames(self) -> int:
        """The number of frames of a sequence, 1 for an image by itself."""
        return 1 if self.planes == 3 else prod(self.axes[2:])


@dataclass(frozen=True, slots=True)
class Amplifier:
    """A part of a detector: where its pixels are in an HDU, and where they go in the whole."""

    hdu: int
    source: Span
    place: Section
    overscan: Section | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen of a file: one image, or the amplifiers of a detector and its size.

    `headers` are those of all HDUs, the file's first. `colours` are the images of red, green and
    blue, if these are separate; the first of them is the one chosen.
    """

    chosen: Candidate
    width: int
    height: int
    headers: list[Cards]
    amplifiers: tuple[tuple[Candidate, Amplifier], ...] = ()
    colours: tuple[Candidate, ...] = ()

    @property
    def facts(self) -> list[Cards]:
        """The headers for facts of the image: its own, the file's, then the others."""
        own, first = self.chosen.cards, self.headers[0]
        others = [cards for cards in self.headers if cards is not own and cards is not first]
        return [own, *([] if own is first else [first]), *others]

    @property
    def dates(self) -> list[Cards]:
        """The headers for the date: the file's, the image's own, then the others."""
        facts, first = self.facts, self.headers[0]
        return [first, *(cards for cards in facts if cards is not first)]


def select(hdus: fits.HDUList, name: str) -> Selection:
    """Return what to show of a file. Raise FrameError, with `name`, if it has no image."""
    headers, candidates, others = survey(hdus)
    if not candidates:
        raise FrameError(name, _no_image(others))
    # An image that is too small is only taken where there is no other.
    whole = [each for each in candidates if min(each.sides) >= LEAST_SIDE] or candidates
    parts = _amplifiers([each for each in whole if each.rank < 2])
    if parts:
        places = [part.place for _, part in parts]
        width, height = max(box.right for box in places), max(box.upper for box in places)
        return Selection(parts[0][0], width, height, headers, tuple(parts))
    best = _best(whole)
    colours = _colours([each for each in whole if each.rank == best.rank])
    chosen = colours[0] if colours else best
    return Selection(chosen, *chosen.sides, headers, colours=colours)


def survey(
    hdus: fits.HDUList,
) -> tuple[list[Cards], list[Candidate], list[tuple[int, ...]]]:
    """Return the headers of a file, its images, and the sides of what is no image but an array."""
    headers: list[Cards] = []
    candidates: list[Candidate] = []
    others: list[tuple[int, ...]] = []
    has_table = False
    for index, hdu in walk(hdus):
        has_table = has_table or isinstance(hdu, fits.BinTableHDU | fits.TableHDU)
        cards = Cards.of(hdu)
        headers.append(cards)
        axes = image_axes(hdu)
        if len(axes) >= 2 and min(axes) > 0 and prod(axes[2:]) <= MOST_FRAMES**2:
            candidates.append(Candidate(index, hdu, axes, cards, _rank(hdu, cards)))
        elif axes:
            others.append(axes)
    if has_table:
        # The pixels that a light curve was measured in are no image of the sky.
        candidates = [each for each in candidates if str(each.hdu.name).upper() != "APERTURE"]
    return headers, candidates, others


def image_axes(hdu: Any) -> tuple[int, ...]:
    """Return the declared sides of an image HDU, width first; empty for any other HDU."""
    if not isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU | fits.CompImageHDU):
        return ()
    count = hdu.header.get("NAXIS", 0)
    return tuple(int(hdu.header[f"NAXIS{axis}"]) for axis in range(1, count + 1))


def _rank(hdu: Any, cards: Cards) -> int:
    name = f"{hdu.name or cards.get('HDUNAME') or ''} {cards.get('HDUCLAS2') or ''}".upper()
    words = re.findall(r"[A-Z]+", name)
    if any(_AUXILIARY.fullmatch(word) for word in words):
        return 2
    if name.startswith("COMPRESSED_IMAGE"):  # astropy's name for one that has none
        words = words[2:]
    return 1 - any(map(_SCIENCE.fullmatch, words))


def _best(candidates: Sequence[Candidate]) -> Candidate:
    """Return the first image of the best rank that is no thumbnail, and no cube if possible."""
    rank = min(each.rank for each in candidates)
    equal = [each for each in candidates if each.rank == rank]
    flat = [each for each in equal if each.planes == 1 and each.frames == 1] or equal
    largest = max(prod(each.sides) for each in flat)
    return next(each for each in flat if prod(each.sides) >= THUMBNAIL * largest)


def _colours(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """Return the images of red, green and blue, if these have equal sides; else none."""
    flat = [each for each in candidates if each.frames == each.planes == 1]
    named = {str(each.hdu.name).strip().upper(): each for each in flat}
    for names in _COLOURS:
        found = tuple(named[name] for name in names if name in named)
        if len(found) == len(names) and len({each.sides for each in found}) == 1:
            return found
    return ()


def _no_image(others: list[tuple[int, ...]]) -> str:
    if not others:
        return "holds no image"
    sides = " x ".join(str(side) for side in others[0])
    return f"holds no 2-D image, but one of {sides} pixels"


def _amplifiers(candidates: Sequence[Candidate]) -> list[tuple[Candidate, Amplifier]]:
    """Return the amplifiers of a detector, with their places from 0; none if there are none."""
    given = [each for each in candidates if each.frames == each.planes == 1]
    parts = [(each, part) for each in given if (part := _amplifier(each)) is not None]
    for group in (parts, *_of_each_detector(parts)):
        if len(group) > 1 and _fit_together([part.place for _, part in group]):
            return list(_from_zero(group))
    return []


def _of_each_detector(
    parts: list[tuple[Candidate, Amplifier]],
) -> Iterator[list[tuple[Candidate, Amplifier]]]:
    groups: dict[str, list[tuple[Candidate, Amplifier]]] = {}
    for candidate, part in parts:
        named = (str(value) for key in _DETECTORS if (value := candidate.cards.get(key)))
        groups.setdefault(next(named, ""), []).append((candidate, part))
    yield from groups.values()


def _amplifier(candidate: Candidate) -> Amplifier | None:
    """Return where an image belongs on its detector, None if its header does not tell."""
    width, height = candidate.sides
    whole = Span(Section(0, 0, width, height))
    sources = [*spans(candidate.cards.get("DATASEC"))[:1], *spans(candidate.cards.get("TRIMSEC"))]
    if left := layout_of([candidate.cards], width, height, 1).section:
        sources.append(Span(left))
    section = candidate.cards.get("DETSEC") or candidate.cards.get("CCDSEC")
    for place in spans(section)[:1]:
        for source in (*sources, whole):
            if source.section.right > width or source.section.upper > height:
                continue
            steps = _binning(place.section, source.section)
            if steps is None:
                continue
            turned = Span(
                source.section,
                mirrored=place.mirrored != source.mirrored,
                flipped=place.flipped != source.flipped,
            )
            return Amplifier(
                candidate.index, turned, _binned(place.section, *steps), _bias(candidate)
            )
    return None


def _bias(candidate: Candidate) -> Section | None:
    width, height = candidate.sides
    found = [span.section for span in spans(candidate.cards.get("BIASSEC"))]
    return next((bias for bias in found if bias.right <= width and bias.upper <= height), None)


def _binning(place: Section, source: Section) -> tuple[int, int] | None:
    """Return how many pixels of the detector one of the image has, if that is a whole number."""
    along, up = round(place.width / source.width), round(place.height / source.height)
    if not (0 < along < 17 and 0 < up < 17):
        return None
    spare = (place.width - along * source.width, place.height - up * source.height)
    return (along, up) if 0 <= spare[0] < along and 0 <= spare[1] < up else None


def _binned(place: Section, along: int, up: int) -> Section:
    left, lower = place.left // along, place.lower // up
    return Section(left, lower, left + place.width // along, lower + place.height // up)


def _fit_together(places: list[Section]) -> bool:
    """Return whether sections lie beside each other, and fill most of an image of some size."""
    if any(_overlap(a, b) for place, a in enumerate(places) for b in places[:place]):
        return False
    width = max(box.right for box in places) - min(box.left for box in places)
    height = max(box.upper for box in places) - min(box.lower for box in places)
    covered = sum(box.width * box.height for box in places)
    return width * height <= MOST_PIXELS and covered >= LEAST_COVERED * width * height


def _overlap(a: Section, b: Section) -> bool:
    return a.left < b.right and b.left < a.right and a.lower < b.upper and b.lower < a.upper


def _from_zero(
    group: list[tuple[Candidate, Amplifier]],
) -> Iterator[tuple[Candidate, Amplifier]]:
    left = min(part.place.left for _, part in group)
    lower = min(part.place.lower for _, part in group)
    for candidate, part in group:
        box = part.place
        place = Section(box.left - left, box.lower - lower, box.right - left, box.upper - lower)
        yield candidate, Amplifier(part.hdu, part.source, place, part.overscan)
