"""What the process is set to."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from server.core.tuning import SWITCH_SECONDS, tune_process


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = sys.getswitchinterval()
    yield
    sys.setswitchinterval(before)


def test_a_thread_that_computes_gives_way_soon() -> None:
    tune_process()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)


def test_a_system_without_mallopt_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda _name: object())
    tune_process()
