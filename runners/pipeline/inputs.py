"""The target and the input files of a run, as a pipeline sees them: local, without a database."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from runners.pipeline.absent import OF_DATA, OF_PRODUCTS, OF_QUERY_SETS, OF_TARGETS
from runners.pipeline.errors import missing
from runners.pipeline.input_list import InputList
from runners.pipeline.opened_file import OpenedFile
from runners.pipeline.own_copies import (
    InputSource,
    compare,
    is_made,
    open_stored,
    opened,
    own_copy,
)

#: How much is read ahead of a pipeline that reads bit by bit.
BUFFER_BYTES = 128 * 1024
#: Where the open file of an input is kept, which is no field.
_OPENED = "_opened"


@dataclass(frozen=True)
class RunTarget:
    """The target of a run. `ra` and `dec` in degrees (ICRS), or None."""

    pk: int
    identifier: str
    name: str
    ra: float | None = None
    dec: float | None = None
    extra_fields: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> int:
        """The PK, under Django's name."""
        return self.pk

    def __getattr__(self, name: str) -> Any:
        raise missing("target", name, OF_TARGETS)


@dataclass(frozen=True)
class InputData:
    """The content of an input; `name` as uploaded.

    `path` is a file of the run's own, to be changed, moved or deleted at will: nothing that is
    stored changes by it. It is made on first use; `open` and `read` do without, as long as it is
    not there. Whatever takes a path takes this too: `fits.open(product.data)`.
    """

    source: InputSource
    name: str

    @property
    def path(self) -> str:
        """The path of a local file that is the run's own."""
        return str(own_copy(self.source, self.name))

    def open(self, mode: str = "rb") -> IO[Any]:
        """Open the file; for writing, it is the run's own."""
        if not set(mode) <= set("rbt") or is_made(self.source):
            return Path(self.path).open(mode)
        file = io.BufferedReader(StoredFile(self.source, self.name), BUFFER_BYTES)
        return file if "b" in mode else io.TextIOWrapper(file)

    def read(self, size: int | None = None) -> bytes:
        """Return the content of the file; given a size, the next bytes of `file`.

        Where a part of that has been read, what is left of it.
        """
        if size is not None and size >= 0:
            return self.file.read(size)
        if 0 < self._place < self.size:
            return self.file.read()
        if is_made(self.source):
            return Path(self.path).read_bytes()
        with StoredFile(self.source, self.name) as file:
            content = file.readall()
        compare(self.source, self.name, hashlib.sha256(content).hexdigest())
        return content

    @property
    def size(self) -> int:
        """Its size in bytes."""
        if is_made(self.source):
            return Path(self.path).stat().st_size
        known = self.source.size
        return Path(self.source.stored).stat().st_size if known is None else known

    @property
    def file(self) -> OpenedFile:
        """The file opened for reading as bytes, the same one until it is closed, as in Django."""
        file: OpenedFile | None = vars(self).get(_OPENED)
        if file is None or file.closed:
            file = OpenedFile(self.name, self.open, lambda: self.size)
            vars(self)[_OPENED] = file
        return file

    @property
    def closed(self) -> bool:
        """Whether `file` is closed, or has not been used."""
        file: OpenedFile | None = vars(self).get(_OPENED)
        return file is None or file.closed

    @property
    def _place(self) -> int:
        return 0 if self.closed else self.file.tell()

    def close(self) -> None:
        """Close `file`."""
        if not self.closed:
            self.file.close()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move in `file`; return the place."""
        return self.file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place in `file`."""
        return self.file.tell()

    def readline(self) -> bytes:
        """Return the next line of `file`."""
        return self.file.readline()

    def chunks(self, chunk_size: int = BUFFER_BYTES) -> Iterator[bytes]:
        """Yield the content in pieces."""
        return self.file.chunks(chunk_size)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.file.open())

    def __fspath__(self) -> str:
        """Return the path of the run's own file."""
        return self.path

    def __str__(self) -> str:
        return self.name

    def __getstate__(self) -> dict[str, Any]:
        """Return what another process needs: an open file stays here."""
        return {name: value for name, value in vars(self).items() if name != _OPENED}

    def __getattr__(self, name: str) -> Any:
        raise missing("data", name, OF_DATA)


@dataclass(frozen=True)
class InputProduct:
    """One data product among the inputs."""

    pk: int
    name: str
    data: InputData
    #: what its pipeline has called this kind of file, empty if it is an upload
    data_product_type: str = ""

    @property
    def id(self) -> int:
        """The PK, under Django's name."""
        return self.pk

    @property
    def product_id(self) -> str:
        """The name, under the TOM Toolkit's."""
        return self.name

    def get_file_name(self) -> str:
        """Return the name, as the TOM Toolkit's method does."""
        return self.name

    def __str__(self) -> str:
        return self.name

    def __getattr__(self, name: str) -> Any:
        raise missing("product", name, OF_PRODUCTS)


class InputFiles:
    """The inputs of a run, in the order in which they were submitted."""

    def __init__(self, products: list[InputProduct]) -> None:
        self._products = InputList(products)

    def all(self) -> InputList[InputProduct]:
        """Return all inputs."""
        return self._products.all()

    def first(self) -> InputProduct | None:
        """Return the first input, or None."""
        return self._products.first()

    def last(self) -> InputProduct | None:
        """Return the last input, or None."""
        return self._products.last()

    def count(self) -> int:
        """Return how many inputs there are."""
        return len(self._products)

    def exists(self) -> bool:
        """Return whether there are any inputs."""
        return bool(self._products)

    def filter(self, **wanted: Any) -> InputList[InputProduct]:
        """Return the inputs that fit, as in `filter(data__endswith=".fits")`."""
        return self._products.filter(**wanted)

    def __getattr__(self, name: str) -> Any:
        if name in ("exclude", "order_by", "get"):
            return getattr(self._products, name)
        raise missing("input_files", name, OF_QUERY_SETS)

    def __iter__(self) -> Iterator[InputProduct]:
        return iter(self._products)

    def __len__(self) -> int:
        return len(self._products)


class StoredFile(io.RawIOBase):
    """A stored file, open for reading, by which nothing stored can be changed.

    Its `name` is the one that was uploaded. Whoever asks for its descriptor, by which even a file
    that is open for reading can be changed or opened again, gets that of the run's own copy.
    """

    mode = "rb"

    def __init__(self, source: InputSource, name: str) -> None:
        self.name = name
        self._source = source
        self._file = io.FileIO(open_stored(source, name))
        self._copy: int | None = None

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read bytes into a buffer; return how many."""
        return self._file.readinto(buffer) or 0

    def readall(self) -> bytes:
        """Return all bytes from here on."""
        return self._file.readall() or b""

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; return the place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()

    def fileno(self) -> int:
        """Return a descriptor of the run's own copy, at the same place."""
        if self._copy is None:
            path = own_copy(self._source, self.name)
            self._copy = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        os.lseek(self._copy, self.tell(), os.SEEK_SET)
        return self._copy

    def isatty(self) -> bool:
        """Return False, without asking for a descriptor."""
        return False

    def close(self) -> None:
        """Close the file."""
        if not self.closed and hasattr(self, "_file"):  # else it could not be opened
            self._file.close()
            if self._copy is not None:
                os.close(self._copy)
        super().close()


def stored_path(product: InputProduct) -> Path:
    """Return a path for reading only: that of the stored file, of which no copy is made.

    For the built-in pipelines, which change none of their inputs. Raise AsyncError if the file is
    not what its record says.
    """
    data = product.data
    if is_made(data.source):  # as storage is remote
        return Path(data.path)
    with opened(data.source, data.name):
        return Path(data.source.stored)
