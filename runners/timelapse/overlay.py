"""The overlay of the frames of a film: target, time and scale bar."""

from __future__ import annotations

import math
import time
from bisect import bisect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from runners.imaging.brightness import Shades

WHITE, BLACK = "white", "black"
#: The height of letters: this fraction of the film's height, that of its width if that is less …
TEXT_PART, TEXT_WIDTH_PART = 28, 14
#: … and at least so many pixels.
LEAST_TEXT = 9
#: The time, in ever fewer letters: the first that fits is written.
STAMPS = ("%Y-%m-%d %H:%M:%S UTC", "%Y-%m-%d %H:%M:%S", "%m-%d %H:%M", "%H:%M:%S", "%H:%M")
ELLIPSIS = "…"
#: The bar is at most this fraction of the width.
BAR_PART = 4
#: Lengths of the bar in arcseconds, with their names, from short to long.
LENGTHS = [
    (length * unit, f"{length}{sign}")
    for unit, sign, lengths in (
        (1.0, '"', (1, 2, 5, 10, 20, 30)),
        (60.0, "'", (1, 2, 5, 10, 20, 30)),
        (3600.0, "°", (1, 2, 5, 10, 20, 30, 60)),
    )
    for length in lengths
]


Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class Label:
    """A text, or the bar with its text, and the box that it needs: left, top, right, bottom.

    `bar` is the length of the bar in pixels, 0 for a mere text.
    """

    text: str
    box: Box
    bar: int = 0


@dataclass(frozen=True)
class Overlay:
    """The text for the frames of a film; `arcsec` is the size of its pixels, None if unknown."""

    title: str
    arcsec: float | None = None

    def drawn(self, shades: Shades, date: float | None) -> Shades:
        """Return a copy of a frame, top row first, with the text and its date (Unix seconds)."""
        picture = Image.fromarray(np.ascontiguousarray(shades))
        lettering = Lettering.of(picture.width, picture.height)
        draw = ImageDraw.Draw(picture)
        for label in self.labels(picture.width, picture.height, date):
            lettering.draw(draw, label)
        return np.asarray(picture, dtype=np.uint8)

    def labels(self, width: int, height: int, date: float | None) -> list[Label]:
        """Return what is written on a picture of this size, as far as there is room.

        Labels are within the picture and do not touch. Time comes first, then the title, which may
        be cut, and then the bar, beside the time or above it.
        """
        letters = Lettering.of(width, height)
        left, top = letters.margin, letters.margin
        right, bottom = width - letters.margin, height - letters.margin
        labels = []
        stamp = letters.first_that_fits(_stamps(date), right - left)
        if stamp and bottom - letters.row >= top:
            labels.append(Label(stamp, letters.at(left, bottom - letters.row, stamp)))
        floor = bottom - letters.row * len(labels)
        title = letters.cut("".join(filter(str.isprintable, self.title)).strip(), right - left)
        if title and floor - letters.row >= top + letters.gap * len(labels):
            labels.append(Label(title, letters.at(left, top, title)))
            top += letters.row + letters.gap
        if (bar := bar_of(self.arcsec, width)) is not None:
            length, name = bar
            across = max(length + 1, letters.width(name))  # the bar has both its ends
            beside = labels[0].box[2] + letters.gap if stamp and labels else left
            for lowest in (bottom, floor - letters.gap):
                is_free = beside <= right - across if lowest == bottom else True
                if is_free and lowest - letters.bar_height >= top and across <= right - left:
                    box = (right - across, lowest - letters.bar_height, right, lowest)
                    labels.append(Label(name, box, length))
                    break
        return labels


@dataclass(frozen=True, slots=True)
class Lettering:
    """The sizes of letters, and of what is around them, in pixels."""

    font: ImageFont.FreeTypeFont
    size: int
    stroke: int

    @classmethod
    @lru_cache(maxsize=8)
    def of(cls, width: int, height: int) -> Lettering:
        """Return the lettering for a picture of this size."""
        size = max(LEAST_TEXT, min(height // TEXT_PART, width // TEXT_WIDTH_PART))
        font = ImageFont.load_default(size)
        assert isinstance(font, ImageFont.FreeTypeFont)
        return cls(font, size, max(1, size // 10))

    @property
    def margin(self) -> int:
        """How far labels are from the edge."""
        return self.size // 3 if self.size <= 2 * LEAST_TEXT else self.size // 2

    @property
    def gap(self) -> int:
        """How far labels are apart."""
        return self.size // 2

    @property
    def row(self) -> int:
        """The height of a text, with all that goes above and below its letters."""
        return sum(self.font.getmetrics()) + 2 * self.stroke

    @property
    def bar_height(self) -> int:
        """The height of the bar with its text."""
        return self.row + 3 * self.stroke

    def width(self, text: str) -> int:
        """Return the width of a text."""
        left, _, right, _ = self.font.getbbox(text, stroke_width=self.stroke)
        return math.ceil(right) - math.floor(left)

    def at(self, left: int, top: int, text: str) -> Box:
        """Return the box of a text."""
        return (left, top, left + self.width(text), top + self.row)

    def first_that_fits(self, texts: Iterable[str], width: int) -> str:
        """Return the first text that is not too wide, or none."""
        return next((text for text in texts if self.width(text) <= width), "")

    def cut(self, text: str, width: int) -> str:
        """Return as much of a text as there is room for, with an ellipsis if that is not all."""
        if not text or self.width(text) <= width:
            return text
        fitting = bisect(range(len(text)), width, key=lambda n: self.width(text[:n] + ELLIPSIS))
        return text[: fitting - 1].rstrip() + ELLIPSIS if fitting > 1 else ""

    def draw(self, draw: ImageDraw.ImageDraw, label: Label) -> None:
        """Write a label."""
        left, top, right, bottom = label.box
        x = left - math.floor(self.font.getbbox(label.text, stroke_width=self.stroke)[0])
        if label.bar:
            x += (right - left - self.width(label.text)) // 2
            y, begin = bottom - 2 * self.stroke, (left + right - 1 - label.bar) // 2
            line = (begin, y, begin + label.bar, y)
            draw.line(line, BLACK, 3 * self.stroke)
            draw.line(line, WHITE, self.stroke)
        draw.text(
            (x, top + self.stroke), label.text, WHITE, self.font, "la",
            stroke_width=self.stroke, stroke_fill=BLACK,
        )  # fmt: skip


def _stamps(date: float | None) -> list[str]:
    if date is None:
        return []
    try:
        return [time.strftime(form, time.gmtime(date)) for form in STAMPS]
    except (OverflowError, ValueError, OSError):
        return []


def bar_of(arcsec: float | None, width: int) -> tuple[int, str] | None:
    """Return the length in pixels of the longest bar that fits and its label, None for no bar."""
    if arcsec is None:
        return None
    fitting = [
        (round(length / arcsec), name)
        for length, name in LENGTHS
        if 8 <= length / arcsec <= width / BAR_PART
    ]
    return fitting[-1] if fitting else None
