"""Folders on the command line: which of their files are used, in what order, and what is said."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from server.cli.folders import MOST_NAMED, Unused, files_of, sentences, target_name

SUFFIXES = [".fits", ".fz"]


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).write_bytes(b"x")


def test_the_files_of_a_folder_come_as_people_number_them(tmp_path: Path) -> None:
    fill(tmp_path, "f10.fits", "f9.FITS", "f1.fits.fz", "f2.fits")
    files, unused = files_of([tmp_path], SUFFIXES)
    assert [path.name for path in files] == ["f1.fits.fz", "f2.fits", "f9.FITS", "f10.fits"]
    assert unused == []


def test_what_is_not_used_is_said_with_its_reason(tmp_path: Path) -> None:
    fill(tmp_path, "a.fits", "notes.txt", "._a.fits", "b\n\x1b[2J.fits")
    (tmp_path / "empty.fits").touch()
    (tmp_path / "older.fits").mkdir()
    os.mkfifo(tmp_path / "pipe.fits")
    Path(os.fsdecode(bytes(tmp_path) + b"/\xff.fits")).write_bytes(b"x")
    (tmp_path / "broken.fits").symlink_to(tmp_path / "nothing.fits")
    files, unused = files_of([tmp_path], SUFFIXES)

    assert [path.name for path in files] == ["a.fits"]
    assert dict(unused) == {
        "._a.fits": "is a hidden file",
        "b\ufffd\ufffd[2J.fits": "has a name that cannot be uploaded",
        "broken.fits": "is not a regular file",
        "empty.fits": "is empty",
        "notes.txt": "does not end in .fits, .fz",
        "older.fits": "is a folder",
        "pipe.fits": "is not a regular file",
        "\ufffd.fits": "has a name that cannot be uploaded",
    }
    assert "Left out: notes.txt does not end in .fits, .fz" in sentences(unused)


def test_files_that_are_named_are_used_as_they_are(tmp_path: Path) -> None:
    fill(tmp_path, "b.txt", "a.txt")
    given = [tmp_path / "b.txt", tmp_path / "a.txt", tmp_path / "missing.fits"]
    assert files_of(given, SUFFIXES) == (given, [])


def test_many_that_are_left_out_are_counted() -> None:
    many = [Unused(f"{n}.txt", "is empty") for n in range(MOST_NAMED + 7)]
    assert sentences(many)[-1] == "Left out: 7 more"
    assert len(sentences(many)) == MOST_NAMED + 1
    assert sentences(many[:MOST_NAMED])[-1] == f"Left out: {MOST_NAMED - 1}.txt is empty"


@pytest.mark.parametrize(("name", "target"), [("M 13", "M 13"), ("20260301", "Frames 20260301")])
def test_a_target_is_named_after_the_folder(tmp_path: Path, name: str, target: str) -> None:
    (tmp_path / name).mkdir()
    assert target_name(tmp_path / name) == target
    assert target_name(tmp_path / name / ".") == target
