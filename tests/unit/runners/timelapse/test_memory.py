"""The memory of one frame is used again for the next."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from runners.timelapse.memory import keep_freed_memory

#: Allocates a frame and what is made of it, again and again, and counts the pages cleared for that.
FRAMES = """
import resource
import numpy as np
from runners.timelapse.memory import keep_freed_memory
{kept}
for turn in range(40):
    if turn == 20:
        begun = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    stored = np.full(2_000_000, turn, np.int16)
    pixels = stored.astype(np.float32)
    pixels = pixels * 2
    del stored, pixels
print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begun) / 20)
"""


@pytest.fixture(autouse=True)
def _set_anew() -> Iterator[None]:
    keep_freed_memory.cache_clear()
    yield
    keep_freed_memory.cache_clear()


def pages_cleared(kept: str) -> float:
    """Return the pages that the system cleared for each frame, in a process of its own."""
    code = FRAMES.format(kept=kept)
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    return float(answer.stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the GNU C library's")
def test_no_page_is_cleared_again_for_the_next_frame() -> None:
    assert pages_cleared("keep_freed_memory()") < 10


def test_a_system_without_mallopt_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    keep_freed_memory()


def test_no_other_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("ctypes.CDLL", lambda _name: pytest.fail("another C library"))
    keep_freed_memory()
