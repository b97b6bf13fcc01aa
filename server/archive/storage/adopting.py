"""Files of others that are taken into the storage as they are, without a change to them.

Their blocks are shared where the disk can, so that what either side writes is its own; else the
file gets a second name, and both sides have it together; else it is copied.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from runners.pipeline.file_copies import clone, copy_file, sha256_of


class Adopted(NamedTuple):
    """A file that was taken; `linked` is whether its owner has the same one."""

    size: int
    sha256: str
    linked: bool


def adopt(source: int, original: Path | None, place: Path) -> Adopted:
    """Take an open file to a free place on this machine; its checksum is that of what was taken.

    Without the path of the `original`, it gets no second name. A failure leaves nothing behind.
    """
    if original is not None:
        with contextlib.suppress(OSError):
            return _shared(source, original, place)
    size, sha256 = copy_file(source, place)
    place.chmod(0o400)
    return Adopted(size, sha256 or "", linked=False)


def _shared(source: int, original: Path, place: Path) -> Adopted:
    """Share the blocks of a file, or the file. Raise OSError if neither can be."""
    if _cloned(source, place):
        with place.open("rb") as file:
            copied = os.fstat(file.fileno()).st_size, sha256_of(file.fileno())
        return Adopted(*copied, linked=False)
    os.link(original, place)
    try:
        if not os.path.samestat(os.fstat(source), place.stat()):
            raise OSError("another file has the name by now")
        before = _version(source)
        sha256 = sha256_of(source)
        if _version(source) != before:
            raise OSError("it is being written to, so a copy is safer")
        return Adopted(before[0], sha256, linked=True)
    except BaseException:
        place.unlink()
        raise


def _cloned(source: int, place: Path) -> bool:
    copy = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        cloned = clone(source, copy)
    finally:
        os.close(copy)
    if not cloned:
        place.unlink()
    return cloned


def _version(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns
