"""Frames are rendered ahead of use, and the first one is there as soon as it can be."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runners.fits.images import Frame, find_frame
from runners.imaging.brightness import REACH
from runners.imaging.scaling import view_of
from runners.timelapse import rendering
from runners.timelapse.prefetch import THREADS, helpers
from runners.timelapse.rendering import FrameWork, film_frames
from tests.fakes.sky import noise
from tests.unit.runners.timelapse.test_series import HEIGHT, WIDTH, series

HANG_SECONDS = 30


def test_the_first_picture_waits_for_no_more_frames_than_its_levels_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[Frame] = []
    read, free = FrameWork.read, threading.Event()

    def counted(self: FrameWork, frame: Frame, reference: Any = None) -> Any:
        begun.append(frame)
        return read(self, frame, reference)

    @contextmanager
    def busy() -> Iterator[ThreadPoolExecutor]:
        with helpers() as pool:
            for _ in range(THREADS):
                pool.submit(free.wait, HANG_SECONDS)
            yield pool

    monkeypatch.setattr(FrameWork, "read", counted)
    monkeypatch.setattr(rendering, "helpers", busy)
    paths = series(tmp_path, [noise(HEIGHT, WIDTH, seed=seed) for seed in range(3 * REACH)])
    frames = [find_frame(path) for path in paths]
    pictures = film_frames(frames, FrameWork(view_of(WIDTH, HEIGHT, 60)))
    try:
        next(pictures)
        assert begun == frames[: REACH + 1], "by the thread that waits for it"
    finally:
        free.set()
    assert [each.frame for each in pictures] == frames[1:]
