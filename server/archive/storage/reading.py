"""Reading stored files: their sizes and checksums are compared with what their records say."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from typing import IO, Protocol

from runners.pipeline.file_copies import NotAFile
from server.core.disk.known_contents import OTHER_CHECKSUM
from server.core.errors import DamagedFile, NotFound

#: What is read in one step.
PIECE_BYTES = 256 * 1024


class Content(Protocol):
    """What a stored file has to hold, as the record of a data product says."""

    @property
    def size(self) -> int:
        """The size in bytes."""

    @property
    def sha256(self) -> str:
        """The checksum in hexadecimal."""


class Reader:
    """Reads a stored file piece by piece, and compares its checksum if it is read whole."""

    def __init__(
        self, key: str, file: IO[bytes], start: int, stop: int | None, expected: Content | None
    ) -> None:
        self._key = key
        self._file = file
        self._expected = expected
        if expected is not None:
            stop = expected.size if stop is None else min(stop, expected.size)
        self._left = None if stop is None else stop - start
        whole = expected is not None and start == 0 and stop == expected.size
        self._digest = hashlib.sha256() if whole else None
        file.seek(start)

    def next_piece(self) -> bytes:
        """Return the next bytes, none at the end. :raises DamagedFile: see `FileStorage.read`."""
        if self._left is not None and self._left <= 0:
            return b""
        piece = self._file.read(PIECE_BYTES if self._left is None else min(PIECE_BYTES, self._left))
        if self._left is not None:
            self._left -= len(piece)
        if self._expected is not None:
            self._compare(piece, self._expected)
        return piece

    def _compare(self, piece: bytes, expected: Content) -> None:
        if not piece:
            raise DamagedFile(name_of(self._key), "it was cut while it was read")
        if self._digest is not None:
            self._digest.update(piece)
            if not self._left and self._digest.hexdigest() != expected.sha256:
                raise DamagedFile(name_of(self._key), OTHER_CHECKSUM)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def compare_size(key: str, size: int, expected: Content) -> None:
    """Raise DamagedFile if a file has not the size that its record has."""
    if size != expected.size:
        raise DamagedFile(name_of(key), f"it has {size:,} bytes instead of {expected.size:,}")


def size_of(file: IO[bytes]) -> int:
    """Return the size of an open file in bytes."""
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    return size


def name_of(key: str) -> str:
    """Return the last part of a key."""
    return key.rpartition("/")[2]


@contextlib.contextmanager
def missing(key: str) -> Iterator[None]:
    """Raise NotFound or DamagedFile for what opening a stored file raises."""
    try:
        yield
    except (FileNotFoundError, IsADirectoryError) as error:
        raise NotFound("stored file", name_of(key)) from error
    except NotAFile as error:
        raise DamagedFile(name_of(key), "it is not a regular file") from error
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise DamagedFile(name_of(key), "part of its path is not a folder") from error
        raise
