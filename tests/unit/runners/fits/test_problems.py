"""What the examination of a file says against its image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from runners.fits.metadata import fits_metadata


def a_frame(path: Path, shape: tuple[int, int] = (64, 80), kind: str = "int16") -> Path:
    pixels = np.arange(shape[0] * shape[1]).reshape(shape).astype(kind)
    fits.PrimaryHDU(pixels).writeto(path)
    return path


@pytest.mark.parametrize("kind", ["int16", "float64"])
def test_a_whole_frame_has_no_problem(tmp_path: Path, kind: str) -> None:
    found = fits_metadata(a_frame(tmp_path / "a.fits", kind=kind))
    assert found is not None
    assert set(found) == {"date", "exposure", "filter", "instrument", "width", "height"}


def test_a_frame_that_is_cut_short_says_so(tmp_path: Path) -> None:
    frame = a_frame(tmp_path / "a.fits", (200, 200))
    frame.write_bytes(frame.read_bytes()[:20_000])
    found = fits_metadata(frame)
    assert found is not None
    assert found["width"] == 200
    assert found["problem"].startswith("is cut short: of at least 82,880 bytes it has 20,000")


def test_a_frame_without_the_last_padding_is_whole(tmp_path: Path) -> None:
    frame = a_frame(tmp_path / "a.fits", (200, 200))
    frame.write_bytes(frame.read_bytes()[: 2880 + 80_000])
    found = fits_metadata(frame)
    assert found is not None
    assert "problem" not in found


def test_a_tiny_image_is_no_frame(tmp_path: Path) -> None:
    found = fits_metadata(a_frame(tmp_path / "a.fits", (9, 90)))
    assert found is not None
    assert found["problem"] == "is 90 x 9 pixels, and at least 16 a side are needed"
