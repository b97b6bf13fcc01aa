"""Outputs as they are taken from a pipeline: checked, and kept as they were when yielded."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.pipeline.outputs import made
from runners.pipeline.process import AsyncError, PipelineOutput


def test_a_file_rewritten_after_its_yield_gives_two_outputs(tmp_path: Path) -> None:
    work, path = tmp_path / "work", tmp_path / "work/a.csv"
    work.mkdir()

    def pipeline() -> Iterator[Path]:
        path.write_text("first")
        yield path
        with path.open("r+") as file:  # in place, and then as a new file
            file.write("FIRST")
        yield path
        path.unlink()
        path.write_text("third")
        yield path

    outputs = list(made(pipeline(), work, tmp_path / "outputs"))
    assert [output.name for output in outputs] == ["a.csv"] * 3
    assert [output.path.read_text() for output in outputs] == ["first", "FIRST", "third"]
    assert path.stat().st_nlink == 1


def test_what_is_returned_at_the_end_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a")
    [output] = made([tmp_path / "a.csv"], tmp_path, tmp_path / "outputs")
    assert output.path == tmp_path / "a.csv"
    assert not (tmp_path / "outputs").exists()


def test_holes_stay_holes(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(2**26)
        os.pwrite(file.fileno(), b"star", 2**25)
    [output] = made(iter([path]), tmp_path, tmp_path / "outputs")
    facts = output.path.stat()
    assert facts.st_size == 2**26
    assert facts.st_blocks * 512 < 2**21
    with output.path.open("rb") as file:
        assert os.pread(file.fileno(), 6, 2**25 - 1) == b"\0star\0"


def test_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("a")

    def pwrite(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(AsyncError, match=r"^The output 'a\.csv' could not be copied: no space"):
        list(made(iter([tmp_path / "a.csv"]), tmp_path, tmp_path / "outputs"))
    assert [path for path in (tmp_path / "outputs").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("goes_on", [True, False])
def test_a_name_that_is_not_utf_8_is_refused_in_words(tmp_path: Path, goes_on: bool) -> None:
    path = tmp_path / os.fsdecode(b"\xff.csv")
    try:
        path.write_text("a")
    except OSError:
        pytest.skip("this file system has no such names")
    result = iter([path]) if goes_on else [path]
    with pytest.raises(AsyncError, match=r"^The name of the output '\?\.csv' is not valid UTF-8$"):
        list(made(result, tmp_path, tmp_path / "outputs"))


def test_the_first_main_output_counts_and_another_is_said(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).write_text(name)
    said: list[str] = []
    given = [
        "a",
        PipelineOutput("b", main=True),
        PipelineOutput("c", "DataProduct", "", "see.txt", True),
    ]
    outputs = list(made(given, tmp_path, note=said.append))
    assert [output.main for output in outputs] == [False, True, False]
    assert said == ["see.txt is not the main output: b is already"]
