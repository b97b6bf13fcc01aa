"""The sheet of pictures in the documentation: every kind of frame is still a picture and a film."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.sheet import KINDS, SHEET, SHOWN, TILE, Kind, pictures_of
from runners.imaging import alignment

QUICK = ("plain", "two amplifiers (DETSEC)")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, id=kind.title, marks=() if kind.title in QUICK else pytest.mark.slow)
        for kind in KINDS
    ],
)
def test_every_kind_on_the_sheet_has_a_preview_and_a_film(kind: Kind, tmp_path: Path) -> None:
    if kind.flags.get("align") and (problem := alignment.missing()):
        pytest.skip(problem)
    preview, *frames = pictures_of(kind, tmp_path)

    assert len(frames) == SHOWN
    assert all(max(picture.size) <= TILE for picture in (preview, *frames))
    assert np.asarray(preview.convert("L")).std() > 4
    assert np.asarray(frames[-1].convert("L")).std() > 2


def test_the_sheet_is_small_enough_to_be_kept() -> None:
    assert SHEET.read_bytes()[8:12] == b"WEBP"
    assert SHEET.stat().st_size < 500_000
