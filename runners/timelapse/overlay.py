"""The overlay of the frames of a film: target, time and scale bar."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from runners.imaging.brightness import Shades

WHITE, BLACK = 255, 0
#: The height of letters: this fraction of the film's height, and at least so many pixels.
TEXT_PART, LEAST_TEXT = 28, 9
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


@dataclass(frozen=True)
class Overlay:
    """The text for the frames of a film; `arcsec` is the size of its pixels, None if unknown."""

    title: str
    arcsec: float | None = None

    def drawn(self, shades: Shades, date: float | None) -> Shades:
        """Return a copy of a frame, top row first, with the text and its date (Unix seconds)."""
        picture = Image.fromarray(np.ascontiguousarray(shades))
        draw = ImageDraw.Draw(picture)
        size = max(LEAST_TEXT, picture.height // TEXT_PART)
        font = ImageFont.load_default(size)
        margin, stroke = size // 2, max(1, size // 10)

        def write(place: tuple[int, int], anchor: str, text: str) -> None:
            draw.text(place, text, WHITE, font, anchor, stroke_width=stroke, stroke_fill=BLACK)

        bottom = picture.height - margin
        write((margin, margin), "lt", "".join(filter(str.isprintable, self.title)))
        if date is not None:
            stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(date))
            write((margin, bottom), "lb", stamp)
        if (bar := bar_of(self.arcsec, picture.width)) is not None:
            length, name = bar
            right, y = picture.width - margin, bottom - stroke
            write((right - length // 2, y - size // 2), "mb", name)
            draw.line((right - length, y, right, y), BLACK, 3 * stroke)
            draw.line((right - length, y, right, y), WHITE, stroke)
        return np.asarray(picture, dtype=np.uint8)


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
