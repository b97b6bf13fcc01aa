"""Files that are packed as a whole, by gzip, bzip2, xz or compress, and files of other formats.

Both are known by how they begin, not by their names.
"""

from __future__ import annotations

import atexit
import bz2
import gzip
import lzma
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import uncompresspy

#: How packed files begin, and what unpacks them. `uncompresspy` reads `.Z` of Unix's compress.
UNPACKERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
    b"\x1f\x9d": lambda path: uncompresspy.open(path, "rb", warn_truncation=False),
}
#: Formats of astronomers' cameras and programs that no library kept here reads.
OTHER_FORMATS = (
    (0, b"XISF0100", "an XISF file of PixInsight"),
    (0, b"LUCAM-RECORDER", "a SER film"),
    (8, b"CR\x02", "a CR2 raw file of a Canon camera"),
    (4, b"ftypcrx ", "a CR3 raw file of a Canon camera"),
    (0, b"FUJIFILMCCD-RAW", "a RAF raw file of a Fujifilm camera"),
)
#: As much of a file as shows what it is.
START_BYTES = 32
_PIECE_BYTES = 2**20


def unpacker(path: Path) -> Callable[[Path], Any] | None:
    """Return what unpacks a file, None if it is not packed."""
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    return next((way for magic, way in UNPACKERS.items() if start.startswith(magic)), None)


def other_format(path: Path) -> str | None:
    """Return the name of the format of a file, if it is one of those that are known by name."""
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    named = (name for at, magic, name in OTHER_FORMATS if start[at:].startswith(magic))
    return next(named, None)


def beginning(path: Path, count: int) -> bytes:
    """Return the first bytes of a file, unpacked if need be."""
    unpack = unpacker(path)
    with path.open("rb") if unpack is None else unpack(path) as file:
        start: bytes = file.read(count)
    return start


class _Kept:
    """The file that was unpacked last, for sequences, whose frames are read one by one."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.key: tuple[Path, int, int] | None = None
        self.plain: IO[bytes] | None = None

    def forget(self) -> None:
        """Remove the file."""
        if self.plain is not None:
            self.plain.close()
        self.key, self.plain = None, None


_KEPT = _Kept()
atexit.register(_KEPT.forget)


@contextmanager
def unpacked(
    path: Path, check: Callable[[int], None], *, keep: bool = False
) -> Iterator[IO[bytes]]:
    """Open a file for reading; one that is packed is unpacked to disk first.

    `check` is called with the number of bytes so far, and raises an error for too many. With `keep`
    the unpacked file stays until another one is kept, or the process ends.
    """
    unpack = unpacker(path)
    if unpack is None:
        with path.open("rb") as file:
            yield file
    elif keep:
        with _kept(path, unpack, check) as file:
            yield file
    else:
        with tempfile.NamedTemporaryFile() as plain:
            _unpack(path, unpack, check, plain)
            # Opened again, as astropy refuses to read from a file that is open for writing.
            with Path(plain.name).open("rb") as file:
                yield file


def _kept(path: Path, unpack: Callable[[Path], Any], check: Callable[[int], None]) -> IO[bytes]:
    status = path.stat()
    key = (path, status.st_mtime_ns, status.st_size)
    with _KEPT.lock:
        if _KEPT.key != key or _KEPT.plain is None:
            _KEPT.forget()
            # Kept open beyond this call: `forget` closes it.
            _KEPT.plain = tempfile.NamedTemporaryFile()  # noqa: SIM115
            _unpack(path, unpack, check, _KEPT.plain)
            _KEPT.key = key
        return Path(_KEPT.plain.name).open("rb")


def _unpack(
    path: Path, unpack: Callable[[Path], Any], check: Callable[[int], None], plain: IO[bytes]
) -> None:
    count = 0
    with unpack(path) as packed:
        while piece := packed.read(_PIECE_BYTES):
            count += len(piece)
            check(count)
            plain.write(piece)
    plain.flush()
