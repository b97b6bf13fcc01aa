"""The 256 colours of a coloured GIF: chosen for its first frame, and kept, so nothing flickers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pictures

from runners.imaging.brightness import SKY_SHADE, Shades

COLOURS = 256
#: Pixels from which colours are chosen, at most: as many of the sky as of all else.
SAMPLES = 40_000
#: What is brighter than this is not just the sky's noise.
BRIGHT = 2 * SKY_SHADE


class Palette:
    """Colours for frames of shape (height, width, 3), uint8."""

    def __init__(self, first: Shades) -> None:
        pixels = first.reshape(-1, 3)
        is_bright = pixels.max(axis=1) > BRIGHT
        chosen = [_some(pixels[is_bright]), _some(pixels[~is_bright])]
        few = max(min(map(len, chosen)), 256)
        sample = np.concatenate([part[:few] for part in chosen] + [_greys()])
        self._picture = Pictures.fromarray(sample[np.newaxis]).quantize(
            COLOURS, Pictures.Quantize.MEDIANCUT, dither=Pictures.Dither.NONE
        )

    def indices(self, shades: Shades) -> NDArray[np.uint8]:
        """Return the place in the palette of each pixel."""
        drawn = Pictures.fromarray(shades).quantize(
            palette=self._picture, dither=Pictures.Dither.FLOYDSTEINBERG
        )
        return np.asarray(drawn, np.uint8)

    def argb(self) -> NDArray[np.uint8]:
        """Return the colours, shape (256, 4), opaque, in the order of ffmpeg's `pal8`."""
        flat = np.array(self._picture.getpalette(), np.uint8).reshape(-1, 3)
        colours = np.full((COLOURS, 4), 255, np.uint8)
        colours[: len(flat), 1:] = flat
        return colours


def _some(pixels: Shades) -> Shades:
    """Return at most SAMPLES / 2 pixels, from all over the picture, in no order."""
    step = max(1, len(pixels) // (SAMPLES // 2))
    taken: Shades = np.random.default_rng(0).permutation(pixels[::step])
    return taken


def _greys() -> Shades:
    return np.repeat(np.arange(0, 256, 4, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
