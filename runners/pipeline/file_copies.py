"""Copies of files that share nothing with the original: clones where the disk can, else bytes.

Nothing here waits for a FIFO or a device, and nothing is read twice to get its checksum.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import stat
from pathlib import Path
from typing import NamedTuple

PIECE_BYTES = 1 << 20
_ZEROS = bytes(PIECE_BYTES)
#: The request of ioctl_ficlone(2): share the blocks of a file until one of the two is written.
_FICLONE = 0x40049409


class Copied(NamedTuple):
    """What a copy holds; `sha256` is None if it was cloned and nobody asked for the checksum."""

    size: int
    sha256: str | None


class NotAFile(OSError):
    """What was to be read is a FIFO, a device, a socket, a folder, or a link that is not wanted."""


def open_file(path: str | Path, *, follow: bool = False, folder: int | None = None) -> int:
    """Open a regular file for reading and return its descriptor; a FIFO is not waited for.

    The path starts at the folder's descriptor, if given. Raise NotAFile for anything else, also for
    a link unless it is to be followed, and FileNotFoundError if there is nothing.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENODEV):
            raise NotAFile(error.errno, "not a file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFile(errno.EINVAL, "not a file")
    return descriptor


def copy_file(source: int, place: Path, *, checksum: bool = True) -> Copied:
    """Copy an open file to a path that must be free, as it is now, with mode 0600.

    What is appended meanwhile is left out. Without `checksum`, it is computed only if that costs no
    pass of its own. A failure leaves nothing behind.
    """
    copy = os.open(place, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        if not clone(source, copy):
            return _copy_bytes(source, copy)
        return Copied(os.fstat(copy).st_size, sha256_of(copy) if checksum else None)
    except BaseException:
        with contextlib.suppress(OSError):
            place.unlink()
        raise
    finally:
        os.close(copy)


def sha256_of(descriptor: int) -> str:
    """Return the SHA-256 checksum of an open file in hexadecimal."""
    digest, position = hashlib.sha256(), 0
    while piece := os.pread(descriptor, PIECE_BYTES, position):
        digest.update(piece)
        position += len(piece)
    return digest.hexdigest()


def clone(source: int, copy: int) -> bool:
    """Have an open, empty file share the blocks of another one; return whether the disk can."""
    try:
        fcntl.ioctl(copy, _FICLONE, source)
    except OSError:  # another file system, or one that cannot
        return False
    return True


def _copy_bytes(source: int, copy: int) -> Copied:
    digest, size, position = hashlib.sha256(), os.fstat(source).st_size, 0
    while piece := os.pread(source, min(PIECE_BYTES, size - position), position):
        digest.update(piece)
        if piece != _ZEROS[: len(piece)]:  # holes stay holes
            _write(copy, piece, position)
        position += len(piece)
    os.ftruncate(copy, position)
    return Copied(position, digest.hexdigest())


def _write(descriptor: int, piece: bytes, position: int) -> None:
    view = memoryview(piece)
    while view:
        written = os.pwrite(descriptor, view, position)
        view, position = view[written:], position + written
