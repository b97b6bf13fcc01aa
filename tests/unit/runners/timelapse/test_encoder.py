"""Films: every format plays as many frames as were added, as they were."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from runners.timelapse.encoder import ENCODINGS, open_film
from tests.fakes.sky import decoded


def shades(count: int, height: int = 48, width: int = 64) -> list[NDArray[np.uint8]]:
    """Return frames of a ramp that gets brighter."""
    ramp = np.linspace(20, 120, width, dtype=np.float32) * np.ones((height, 1), np.float32)
    return [(ramp + 100 * i / max(count - 1, 1)).astype(np.uint8) for i in range(count)]


def film_of(path: Path, frames: list[NDArray[np.uint8]], fps: float = 10) -> Path:
    height, width = frames[0].shape
    with open_film(path, path.suffix[1:], fps, width, height) as film:
        for frame in frames:
            film.add(frame)
    return path


@pytest.mark.parametrize("format", ENCODINGS)
@pytest.mark.parametrize("count", [1, 2, 25])
def test_a_film_shows_each_frame_once(tmp_path: Path, format: str, count: int) -> None:
    frames = shades(count)
    seen = decoded(film_of(tmp_path / f"film.{format}", frames))

    assert len(seen) == count
    for before, after in zip(frames, seen, strict=True):
        assert np.abs(after.astype(float) - before).mean() < 4


@pytest.mark.parametrize("format", ENCODINGS)
@pytest.mark.parametrize("fps", [5, 10, 25])
def test_a_film_lasts_as_long_as_its_frames(tmp_path: Path, format: str, fps: float) -> None:
    path = film_of(tmp_path / f"film.{format}", shades(10), fps)
    with av.open(str(path)) as container:
        times = [frame.time for frame in container.decode(video=0)]

        assert container.duration == pytest.approx(10 / fps * 1e6, rel=0.02)
        assert times == pytest.approx([i / fps for i in range(10)], abs=0.006)


@pytest.mark.parametrize("format", ENCODINGS)
def test_the_least_film_can_be_made(tmp_path: Path, format: str) -> None:
    path = film_of(tmp_path / f"film.{format}", shades(2, 2, 16))

    assert [frame.shape for frame in decoded(path)] == [(2, 16)] * 2


def test_the_index_of_an_mp4_is_at_its_front(tmp_path: Path) -> None:
    film = film_of(tmp_path / "film.mp4", shades(5)).read_bytes()

    assert film.index(b"moov") < film.index(b"mdat")


def test_a_gif_is_exact_and_plays_for_ever(tmp_path: Path) -> None:
    frames = shades(5)
    path = film_of(tmp_path / "film.gif", frames)
    with Image.open(path) as gif:
        assert gif.info["loop"] == 0
        assert getattr(gif, "n_frames", 1) == 5
    np.testing.assert_array_equal(decoded(path), frames)


def test_an_unknown_format_is_named_with_the_known_ones(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="webm, mp4, gif, but not 'avi'"),
        open_film(tmp_path / "film.avi", "avi", 10, 64, 48),
    ):
        pass


def test_odd_sides_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="65 x 48"),
        open_film(tmp_path / "film.mp4", "mp4", 10, 65, 48),
    ):
        pass
