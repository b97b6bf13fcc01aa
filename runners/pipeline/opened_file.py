"""An input that stays open between one use and the next, as the files of Django's fields do."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import IO, Any


class OpenedFile(io.BufferedIOBase):
    """A file open for reading; `open` goes back to its beginning, also after `close`.

    `open_anew` returns the file, `size_of` its size in bytes.
    """

    mode = "rb"

    def __init__(
        self, name: str, open_anew: Callable[[], IO[bytes]], size_of: Callable[[], int]
    ) -> None:
        self.name = name
        self._open_anew = open_anew
        self._size_of = size_of
        self._file: IO[bytes] | None = open_anew()

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._size_of()

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return getattr(self, "_file", None) is None

    @property
    def _inner(self) -> IO[bytes]:
        if self._file is None:
            raise ValueError("I/O operation on closed file.")
        return self._file

    def open(self, mode: str | None = None) -> OpenedFile:
        """Go back to the beginning, and return the file itself. It stays open for reading."""
        if self._file is None:
            self._file = self._open_anew()
        self._file.seek(0)
        return self

    def close(self) -> None:
        """Close it."""
        file, self._file = getattr(self, "_file", None), None
        if file is not None:
            file.close()

    def chunks(self, chunk_size: int = 64 * 1024) -> Iterator[bytes]:
        """Yield the content in pieces, from the beginning."""
        self.open()
        while piece := self.read(chunk_size):
            yield piece

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return the next bytes, without a size all that are left."""
        return self._inner.read(-1 if size is None else size)

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; return how many."""
        inner: Any = self._inner
        return int(inner.readinto(buffer))

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line."""
        return self._inner.readline(-1 if size is None else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Move; return the place."""
        return self._inner.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._inner.tell()

    def fileno(self) -> int:
        """Return the descriptor of the run's own copy, at the same place."""
        return self._inner.fileno()

    def isatty(self) -> bool:
        """Return False, without asking for a descriptor."""
        return False
