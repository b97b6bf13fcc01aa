"""Files that were replaced by others of the same size."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from server.core.disk import known_contents
from server.core.disk.known_contents import KnownContents
from server.core.errors import DamagedFile

CONTENT = b"SIMPLE" * 1000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "a.fits"
    path.write_bytes(CONTENT)
    return path


def compare(known: KnownContents, path: Path, *, always: bool = False) -> None:
    with path.open("rb", buffering=0) as file:
        known.compare("1/a.fits", file, SHA256, always=always)


def swap(path: Path) -> None:
    """Put another file of the same size and time in the place of one."""
    facts = path.stat()
    other = path.with_name("other")
    other.write_bytes(CONTENT[::-1])
    os.utime(other, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    other.replace(path)


def test_a_file_is_read_once_as_long_as_it_compared_the_same(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, read = KnownContents(), []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda *args: read.append(1) or digest(*args))
    for always in (False, True, False):
        compare(known, stored, always=always)
    assert len(read) == 1
    stored.chmod(0o400)
    compare(known, stored)
    assert len(read) == 2


@pytest.mark.parametrize("seen", [False, True])
def test_a_swapped_file_is_an_error_each_time(stored: Path, seen: bool) -> None:
    known = KnownContents()
    if seen:
        compare(known, stored)
    swap(stored)
    for always in (False, True, False):
        with pytest.raises(DamagedFile, match=r"a\.fits.*its content has another checksum"):
            compare(known, stored, always=always)


def test_a_large_file_is_compared_on_request_and_from_then_on_after_changes(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_contents, "CHEAP_BYTES", 100)
    known = KnownContents()
    compare(known, stored)
    compare(known, stored, always=True)
    swap(stored)
    compare(KnownContents(), stored)  # nobody has looked at it before
    with pytest.raises(DamagedFile):
        compare(known, stored)


def test_few_are_remembered(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_contents, "MOST_FILES", 2)
    known = KnownContents()
    for key in "abcde":
        with stored.open("rb", buffering=0) as file:
            known.compare(key, file, SHA256)
        assert len(known._compared) <= 2
