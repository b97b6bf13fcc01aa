"""The colours of a GIF: those of its first frame, kept for all of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from runners.timelapse.palette import COLOURS, Palette


def frame(*patches: tuple[int, int, int]) -> NDArray[np.uint8]:
    """Return a dark frame with a patch of each colour."""
    shades = np.full((60, 90, 3), 30, np.uint8)
    for number, colour in enumerate(patches):
        shades[20:40, 10 + 25 * number : 30 + 25 * number] = colour
    return shades


def seen(palette: Palette, shades: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the colours that are shown of a frame."""
    return palette.argb()[palette.indices(shades)][..., 1:].astype(np.int64)


def test_small_patches_keep_their_colours_on_a_large_sky() -> None:
    shades = frame((220, 40, 30), (40, 60, 230))
    shown = seen(Palette(shades), shades)
    for column, colour in ((20, (220, 40, 30)), (45, (40, 60, 230))):
        mean = shown[25:35, column - 5 : column + 5].mean(axis=(0, 1))
        assert np.abs(mean - colour).max() < 12
    assert np.abs(shown[:10].mean(axis=(0, 1)) - 30).max() < 4


def test_the_palette_stays_for_frames_of_other_colours() -> None:
    palette = Palette(frame((220, 40, 30)))
    before = palette.argb().copy()
    palette.indices(frame((10, 250, 10)))
    assert np.array_equal(palette.argb(), before)


def test_all_colours_are_opaque_and_there_are_256() -> None:
    colours = Palette(frame()).argb()
    assert colours.shape == (COLOURS, 4)
    assert (colours[:, 0] == 255).all()


def test_shades_of_grey_are_shown_even_if_the_first_frame_was_of_one_colour() -> None:
    palette = Palette(np.full((40, 40, 3), 32, np.uint8))
    ramp = np.repeat(np.arange(0, 256, dtype=np.uint8)[np.newaxis, :, np.newaxis], 3, axis=2)
    ramp = np.repeat(ramp, 40, axis=0)
    shown = seen(palette, ramp).mean(axis=(0, 2))
    assert np.abs(shown - np.arange(256)).max() < 12
