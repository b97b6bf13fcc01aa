"""The dummy pipeline: its log, its summary, its one flag."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from runners.dummy import Dummy
from runners.pipeline.process import Cancelled
from tests.fakes.sky import run_of


def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "a, b.txt", tmp_path / "c.bin"]
    for path, content in zip(paths, (b"one", b""), strict=True):
        path.write_bytes(content)
    return paths


def test_each_file_is_listed_with_size_and_checksum(tmp_path: Path) -> None:
    run, recorder = run_of(Dummy, files(tmp_path))
    (output,) = run.do_pipeline(tmp_path, slow=False)

    assert output.read_text().splitlines() == [
        "name,size,sha256",
        f'"a, b.txt",3,{hashlib.sha256(b"one").hexdigest()}',
        f"c.bin,0,{hashlib.sha256().hexdigest()}",
    ]
    assert recorder.log == ["Processing a, b.txt", "Processing c.bin"]
    assert recorder.statuses == ["Reading file 1 of 2", "Reading file 2 of 2"]
    assert recorder.steps == [(1, 2), (2, 2)]


def test_slow_waits_after_each_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("runners.dummy.time.sleep", waits.append)
    run, _ = run_of(Dummy, files(tmp_path))
    list(run.do_pipeline(tmp_path, slow=True))

    assert waits == [1.0, 1.0]


def test_a_cancelled_run_stops(tmp_path: Path) -> None:
    run, recorder = run_of(Dummy, files(tmp_path))
    recorder.cancelled = True
    with pytest.raises(Cancelled):
        list(run.do_pipeline(tmp_path))
