"""Frames: the image of a FITS file, found by its headers and read on demand.

Headers are checked before any pixel is read. Which image is taken is left to `selection`, opening
files to `files`, dates to `dates`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from runners.fits.cards import BLOCK_BYTES, Cards, number
from runners.fits.dates import EXPOSURE_KEYWORDS, observation_date
from runners.fits.files import FrameError, check_ratio, open_fits, reading
from runners.fits.raw_pixels import (
    PlainPixels,
    Scaling,
    join_skies,
    physical,
    plain_pixels,
    plain_primary,
    within_range,
)
from runners.fits.science import UNKNOWN, Layout, ScienceImage, has_colours, layout_of
from runners.fits.selection import (
    LEAST_SIDE,
    MOST_FRAMES,
    MOST_PIXELS,
    Amplifier,
    Candidate,
    Selection,
    select,
)

#: Gains of a detector's amplifiers differ by less than this factor.
MOST_GAIN_RATIO = 5.0
#: Pixels, shape (height, width).
Image = NDArray[np.float32]
Header = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Frame:
    """The place of an image and its metadata: sides in pixels, date in Unix seconds.

    If `date` is None, `undated` is the problem, for a FrameError. Frames of one `kind` (filter and
    exposure) should be equally bright. `arcsec` is the angular size of a pixel, None if the headers
    do not give it. `plain` is set where the pixels can be read without astropy. Of a sequence in
    one file, `plane` is the number of this frame, from 0, of `planes`. `exposure` is in seconds,
    None if unknown. `product` is the PK of the file's data product, set by whoever knows it.
    `colours` are the HDUs of red, green and blue, where each has its own.
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
    layout: Layout = UNKNOWN
    plane: int = 0
    planes: int = 1
    interleaved: bool = False
    amplifiers: tuple[Amplifier, ...] = ()
    colours: tuple[int, ...] = ()
    exposure: float | None = None
    product: int = 0

    @property
    def sides(self) -> str:
        """Width x height, the order of FITS."""
        return f"{self.width} x {self.height}"


def find_frame(path: Path, name: str | None = None) -> Frame:
    """Return the image of a file, the first frame if it holds a sequence.

    Only headers are read. Raise FrameError, with `name`, if there is no such image, and if it is
    tiny, huge or cut short.
    """
    return _found(path, name or path.name)[0]


def find_frames(path: Path, name: str | None = None) -> list[Frame]:
    """Return the frames of a file: one, or those of the sequence that it holds, in their order.

    The date of a sequence is that of its first frame; the others follow after the exposure time (or
    `CDELT3` seconds, where the third axis is time). Raise FrameError as `find_frame` does.
    """
    first, seconds = _found(path, name or path.name)
    if first.planes == 1:
        return [first]
    return [_later(first, plane, seconds) for plane in range(first.planes)]


def read_science(frame: Frame, *, as_stored: bool = False) -> ScienceImage:
    """Return the pixels and what they are.

    BZERO and BSCALE are applied; blank and infinite pixels are NaN. With `as_stored`, whole numbers
    that can be read plainly stay what they are, as most of them are averaged soon. Raise FrameError
    if the file cannot be read or no pixel is finite.
    """
    pixels, zero, unit = _pixels(frame, as_stored)
    if np.isnan(pixels.flat[0]) and np.isnan(pixels).all():
        raise FrameError(frame.name, "has no finite pixel")
    layout = frame.layout
    if layout.mosaic and layout.unsure and not has_colours(pixels):
        layout = replace(layout, mosaic=None)
    return ScienceImage(pixels, layout, zero, unit)


def read_frame(frame: Frame) -> Image:
    """Return the pixels as one plane, shape (height, width), bottom row first, as native float32.

    Colours are averaged; a mosaic of them stays as it is. Otherwise as `read_science`.
    """
    pixels = read_science(frame).pixels
    return pixels.mean(axis=0, dtype=np.float32) if pixels.ndim == 3 else pixels


def first_text(headers: Sequence[Header], *keywords: str) -> str | None:
    """Return the first value of these keywords that is not blank, as text."""
    for keyword in keywords:
        for header in headers:
            value = header.get(keyword)
            text = "" if value is None else str(value).strip()
            if text:
                return text[:200]
    return None


def first_number(headers: Sequence[Header], *keywords: str) -> float | None:
    """Return the first value of these keywords that is a finite number and not negative."""
    for keyword in keywords:
        for header in headers:
            value = number(header.get(keyword))
            if value is not None and 0 <= value < math.inf:
                return value
    return None


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


def _found(path: Path, name: str) -> tuple[Frame, float]:
    return _find_plain(path, name) or _find(path, name)


def _find_plain(path: Path, name: str) -> tuple[Frame, float] | None:
    """Return the frame of a file that is no more than one plain image, else None."""
    found = plain_primary(path)
    if found is None:
        return None
    cards, plain = found
    with reading(name):
        width, height = int(str(cards["NAXIS1"])), int(str(cards["NAXIS2"]))
        _check_size(name, width, height)
        layout = layout_of([cards], width, height, 1)
        frame = _frame(path, name, [cards], [cards], layout, width=width, height=height)
        return replace(frame, plain=plain), 0.0


def _find(path: Path, name: str) -> tuple[Frame, float]:
    with open_fits(path, name) as hdus:
        found = select(hdus, name)
        chosen, facts = found.chosen, found.facts
        _check_size(name, found.width, found.height)
        parts = [part for part, _ in found.amplifiers] or found.colours or [chosen]
        for candidate in parts:
            check_extent(name, path, candidate)
        if found.colours:
            _check_size(name, found.width, len(parts) * found.height)
            layout = layout_of(facts, found.width, found.height, len(parts))
            layout = replace(layout, filter=None)  # each has its own
        elif found.amplifiers:
            layout = replace(layout_of(facts, 0, 0, 1), section=None, overscan=())
        else:
            layout = layout_of(facts, found.width, found.height, chosen.planes)
        frame = _frame(
            path, name, facts, found.dates, layout, width=found.width, height=found.height
        )
        return _placed(frame, found, path), _interval(facts)


def _placed(frame: Frame, found: Selection, path: Path) -> Frame:
    chosen = found.chosen
    if found.amplifiers:
        parts = tuple(amplifier for _, amplifier in found.amplifiers)
        return replace(frame, hdu=chosen.index, amplifiers=parts)
    if found.colours:
        return replace(frame, hdu=chosen.index, colours=tuple(c.index for c in found.colours))
    return replace(
        frame,
        hdu=chosen.index,
        planes=chosen.frames,
        interleaved=chosen.interleaved,
        plain=None if chosen.interleaved else plain_pixels(chosen.hdu, chosen.cards, path),
    )


def _frame(
    path: Path,
    name: str,
    facts: Sequence[Cards],
    dates: Sequence[Cards],
    layout: Layout,
    *,
    width: int,
    height: int,
) -> Frame:
    date, undated = _date(dates)
    exposure = first_number(facts, *EXPOSURE_KEYWORDS)
    return Frame(
        path=path,
        name=name,
        hdu=0,
        width=width,
        height=height,
        date=date,
        undated=undated,
        kind=_kind(exposure, layout),
        arcsec=pixel_scale(facts[0]),
        layout=layout,
        exposure=exposure,
    )


def _later(first: Frame, plane: int, seconds: float) -> Frame:
    date = None if first.date is None else first.date + plane * seconds
    plain = first.plain
    if plain is not None:
        length = first.width * first.height * np.dtype(plain.dtype).itemsize
        plain = replace(plain, offset=plain.offset + plane * length)
    return replace(first, date=date, plane=plane, plain=plain)


def _interval(facts: Sequence[Cards]) -> float:
    """Return the seconds from one frame of a sequence to the next, as far as headers tell."""
    if str(facts[0].get("CTYPE3") or "").strip().upper() in ("TIME", "UTC"):
        step = first_number(facts[:1], "CDELT3", "CD3_3")
        if step:
            return step
    return first_number(facts, *EXPOSURE_KEYWORDS) or 0.0


def _pixels(frame: Frame, as_stored: bool) -> tuple[NDArray[Any], float, float]:
    if (plain := frame.plain) is not None:
        with reading(frame.name):
            place = (frame.path, frame.layout.planes * frame.height, frame.width)
            if plain.is_whole and as_stored:
                return _shaped(plain.stored(*place), frame), float(plain.zero), 1.0
            shaped = _shaped(plain.read(*place), frame)
            return (shaped, 0.0, 1.0) if plain.is_whole else within_range(shaped)
    keep = frame.planes > 1
    with open_fits(frame.path, frame.name, keep=keep) as hdus, np.errstate(all="ignore"):
        if frame.amplifiers:
            return within_range(_put_together(hdus, frame))
        if frame.colours:
            return within_range(np.stack([_plane(hdus[index]) for index in frame.colours]))
        hdu = hdus[frame.hdu]
        return physical(_shaped(_stored(hdu, frame), frame), Scaling.of(Cards.of(hdu)))


def _stored(hdu: Any, frame: Frame) -> NDArray[Any]:
    """Return the stored numbers of a frame, and of a sequence no others."""
    if frame.planes == 1:
        return np.asarray(hdu.data)
    sides = hdu.shape[:-2]
    return np.asarray(hdu.section[np.unravel_index(frame.plane, sides)])


def _plane(hdu: Any) -> Image:
    """Return the pixels of an image that is one of several."""
    stored = np.asarray(hdu.data)
    pixels, zero, unit = physical(stored.reshape(stored.shape[-2:]), Scaling.of(Cards.of(hdu)))
    return pixels * np.float32(unit) + np.float32(zero)


def _shaped(pixels: NDArray[Any], frame: Frame) -> NDArray[Any]:
    if frame.interleaved:
        return np.moveaxis(pixels.reshape(frame.height, frame.width, 3), -1, 0)
    if frame.layout.planes == 1:
        return pixels.reshape(frame.height, frame.width)
    return pixels.reshape(frame.layout.planes, frame.height, frame.width)


def _put_together(hdus: fits.HDUList, frame: Frame) -> NDArray[np.float32]:
    """Return the image of a detector, each amplifier in its place and as bright as the others.

    The level of its overscan is taken away, and `GAIN` made the same for all.
    """
    whole = np.full((frame.height, frame.width), np.nan, np.float32)
    headers = [Cards.of(hdus[part.hdu]) for part in frame.amplifiers]
    for part, cards, gain in zip(frame.amplifiers, headers, _gains(headers), strict=True):
        stored = np.asarray(hdus[part.hdu].data)
        pixels, zero, unit = physical(stored.reshape(stored.shape[-2:]), Scaling.of(cards))
        bias = zero + unit * _level(part, pixels)
        box, source = part.place, part.source
        own = source.section.of(pixels)[: box.height, : box.width]
        turned = own[:: -1 if source.flipped else 1, :: -1 if source.mirrored else 1]
        box.of(whole)[...] = turned * np.float32(gain * unit) + np.float32(gain * (zero - bias))
    join_skies(whole, [part.place for part in frame.amplifiers])
    return whole


def _gains(headers: Sequence[Cards]) -> list[float]:
    """Return the factors that make the gains of amplifiers the same; 1 unless all are known."""
    gains = [number(cards.get("GAIN")) or 0.0 for cards in headers]
    if not 0 < max(gains) <= MOST_GAIN_RATIO * min(gains) < math.inf:
        return [1.0] * len(gains)
    usual = sum(gains) / len(gains)
    return [gain / usual for gain in gains]


def _level(part: Amplifier, pixels: Image) -> float:
    """Return the level of an amplifier's overscan, 0 if it has none."""
    level = 0.0 if part.overscan is None else float(np.nanmedian(part.overscan.of(pixels)))
    return level if math.isfinite(level) else 0.0


def _kind(exposure: float | None, layout: Layout) -> str:
    # Two digits, as exposures differ slightly by the shutter.
    rounded = "" if exposure is None else f"{exposure:.1e}"
    return f"{layout.filter or ''} {rounded}"


def _date(headers: Sequence[Cards]) -> tuple[float | None, str]:
    try:
        return observation_date(headers), ""
    except ValueError as problem:
        return None, str(problem)


def _check_size(name: str, width: int, height: int) -> None:
    if width * height > MOST_PIXELS:
        problem = f"declares {width} x {height} pixels, over the limit of {MOST_PIXELS:,}"
        raise FrameError(name, problem)
    if min(width, height) < LEAST_SIDE:
        problem = f"is {width} x {height} pixels, and at least {LEAST_SIDE} a side are needed"
        raise FrameError(name, problem)


def check_extent(name: str, path: Path, candidate: Candidate) -> None:
    """Raise FrameError for more data than the file holds, before a library allocates memory."""
    hdu, count = candidate.hdu, math.prod(candidate.axes)
    if candidate.frames > MOST_FRAMES:
        raise FrameError(name, f"declares {candidate.frames:,} frames, over {MOST_FRAMES:,}")
    if candidate.planes * math.prod(candidate.sides) > MOST_PIXELS:
        raise FrameError(name, f"declares {count:,} pixels, over the limit of {MOST_PIXELS:,}")
    place, file = hdu.fileinfo(), hdu.fileinfo()["file"]
    unpacked_bytes = count * (abs(int(hdu.header["BITPIX"])) // 8)
    if isinstance(hdu, fits.CompImageHDU):
        check_ratio(name, path.stat().st_size, unpacked_bytes)
        # The end of a table's heap is known only to the nearest block.
        unpacked_bytes = place["datSpan"] - BLOCK_BYTES + 1
    needed = place["datLoc"] + unpacked_bytes
    if needed > file.size:
        problem = f"is cut short: of at least {needed:,} bytes it has {file.size:,}"
        raise FrameError(name, problem)
