"""Whom the database engine serves: the process that started it."""

from __future__ import annotations

import os
import socket
import sys
import time

import pytest

from server.store.engine import child
from tests.fakes.modules import Overlay

pytestmark = pytest.mark.skipif(
    sys.platform not in ("linux", "darwin"), reason="this system does not tell who connects"
)


def test_one_process_is_admitted(capfd: pytest.CaptureFixture[str]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert child.Gate(os.getpid()).admits(ours)
    assert capfd.readouterr().err == ""


def test_others_are_refused_and_a_flood_of_them_is_reported_once(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(child, "time", Overlay(time, monotonic=lambda: now))
    gate = child.Gate(os.getpid() + 1)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert not any(gate.admits(ours) for _ in range(1000))
        now = child.REPORT_SECONDS + 1
        assert not gate.admits(ours)
    sentence = f"A connection of process {os.getpid()}, which is not the server, was refused"
    assert capfd.readouterr().err.splitlines() == [
        sentence,
        f"{sentence} (1000 since the last report)",
    ]


def test_who_has_gone_already_is_refused() -> None:
    gone, theirs = socket.socketpair()
    gone.close()
    theirs.close()
    assert not child.Gate(os.getpid()).admits(gone)
