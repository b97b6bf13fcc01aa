"""A storage that fsspec reaches by URL: how it is connected to, read in ranges and written to.

Everything here blocks; `calls` does it in threads with deadlines. Nothing of a file is kept but
the parts that are on their way.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

import fsspec
from fsspec.implementations.local import LocalFileSystem

from server.archive.storage.masking import masked
from server.core.errors import StartError

#: What is fetched in one request, and what is sent in one: no part of S3 may be under 5 MiB.
RANGE_BYTES = 4 * 2**20
PART_BYTES = 8 * 2**20
#: S3 takes at most 10,000 parts for a file.
MOST_PARTS = 9_000
#: How long a signed URL is good for: the download has to begin within this time.
SIGNED_SECONDS = 60
S3 = frozenset({"s3", "s3a"})
CONNECT_SECONDS = 5.0


def connect(place: str | Path, seconds: float) -> tuple[Any, str]:
    """Return the file system of a URL or folder, and the path of its root there.

    Credentials and other options come from the environment, as each kind of storage and fsspec
    (`FSSPEC_…`) take them. `seconds` is how long a call should take at most.

    :raises StartError: fsspec cannot reach such a storage.
    """
    url = str(place)
    try:
        filesystem, root = fsspec.url_to_fs(url, **_options(url, seconds))
    except (ImportError, ValueError) as error:
        raise StartError(f"files.url cannot be used: {masked(str(error), url)}") from error
    except Exception as error:  # some connect at once, and each has its own errors
        raise StartError(
            f"The storage of the files cannot be used: {masked(str(error), url)}; see files.url"
        ) from error
    if is_s3(filesystem):
        filesystem.retries = 2
    return filesystem, root.rstrip("/")


def is_local(filesystem: Any) -> bool:
    """Return whether the files are in a folder of this machine."""
    return isinstance(filesystem, LocalFileSystem)


def is_s3(filesystem: Any) -> bool:
    """Return whether this is S3, or what speaks its language."""
    protocol = filesystem.protocol
    return not S3.isdisjoint([protocol] if isinstance(protocol, str) else protocol)


def size_at(filesystem: Any, place: str) -> int:
    """Return the size of a file in bytes. :raises FileNotFoundError: no such file."""
    filesystem.invalidate_cache()  # another server may have stored or deleted it
    facts = filesystem.info(place)
    if facts["type"] != "file":
        raise FileNotFoundError(place)
    return int(facts["size"])


def exists(filesystem: Any, place: str) -> bool:
    """Return whether there is a file. Unlike fsspec's, raise what keeps it from being known."""
    try:
        size_at(filesystem, place)
    except FileNotFoundError:
        return False
    return True


class RangedFile(io.RawIOBase):
    """A remote file that is read in ranges, each a request of its own: none is left open."""

    def __init__(self, filesystem: Any, place: str) -> None:
        self._filesystem = filesystem
        self._place = place
        self._size = size_at(filesystem, place)
        self._at = 0
        self._start, self._buffer = 0, b""

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""
        left = self._size - self._at
        wanted = left if size < 0 else min(size, left)
        if wanted <= 0:
            return b""
        offset = self._at - self._start
        if not 0 <= offset < len(self._buffer):
            stop = min(self._size, self._at + max(wanted, RANGE_BYTES))
            self._start, offset = self._at, 0
            self._buffer = self._filesystem.cat_file(self._place, start=self._at, end=stop)
        piece = self._buffer[offset : offset + wanted]
        self._at += len(piece)
        return piece

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position and return it."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = start + offset
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at


def open_ranged(filesystem: Any, place: str) -> IO[bytes]:
    """Return a file for reading. :raises FileNotFoundError: no such file."""
    return cast(IO[bytes], RangedFile(filesystem, place))


class RemoteWriter:
    """A file that is sent as it comes, in parts where the storage has them.

    It is there when `commit` returns. Where a storage shows files that are not complete, the
    journal says which these are.
    """

    def __init__(self, filesystem: Any, place: str, limit_bytes: int) -> None:
        self._filesystem = filesystem
        self._place = place
        self._sent = 0
        self._part_bytes = max(PART_BYTES, limit_bytes // MOST_PARTS)
        self._file: Any = None

    def write(self, piece: bytes) -> None:
        """Append a piece."""
        with _there():
            if self._file is None:
                self._open()
            self._file.write(piece)
        self._sent += len(piece)

    def _open(self) -> None:
        if not is_s3(self._filesystem):  # which has no folders
            self._filesystem.makedirs(self._place.rpartition("/")[0], exist_ok=True)
        self._file = self._filesystem.open(self._place, "wb", block_size=self._part_bytes)

    def commit(self) -> None:
        """Have the file stored. :raises OSError: it has not all that was written."""
        with _there():
            if self._file is None:
                self._open()
            self._file.close()
            stored = size_at(self._filesystem, self._place)
        if stored != self._sent:
            raise OSError(f"{stored:,} of {self._sent:,} bytes were stored")

    def discard(self) -> None:
        """Delete what was sent. May be repeated."""
        try:
            with contextlib.suppress(FileNotFoundError, AttributeError):
                self._file.discard()
        finally:
            self.neglect()
        self.remove()

    def neglect(self) -> None:
        """See to it that what is not sent is not sent when the file is collected."""
        with contextlib.suppress(AttributeError):
            self._file.closed = True

    def remove(self) -> None:
        """Delete the stored file; a missing one is fine."""
        with contextlib.suppress(FileNotFoundError):
            self._filesystem.rm_file(self._place)


@contextlib.contextmanager
def _there() -> Iterator[None]:
    """Raise OSError where a bucket, or what was sent before, is not there any more."""
    try:
        yield
    except FileNotFoundError as error:
        raise OSError(f"what is written to is not there: {error}") from error


def abort_unfinished(filesystem: Any, place: str) -> None:
    """Delete the parts of a file whose upload was never finished: S3 keeps and charges them."""
    if not is_s3(filesystem):
        return
    bucket, key, _ = filesystem.split_path(place)
    found = filesystem.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=key)
    for upload in found.get("Uploads", ()):
        if upload["Key"] == key:
            filesystem.call_s3(
                "abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload["UploadId"]
            )


def signed_url(filesystem: Any, place: str, headers: Mapping[str, str]) -> str | None:
    """Return a URL under which a file can be had for a short time, None where there are none.

    `headers` are its `Content-Type` and `Content-Disposition` there.
    """
    if not is_s3(filesystem) or filesystem.anon:
        return None
    url: str = filesystem.sign(
        place,
        expiration=SIGNED_SECONDS,
        ResponseContentType=headers["Content-Type"],
        ResponseContentDisposition=headers["Content-Disposition"],
    )
    return url


def _options(url: str, seconds: float) -> dict[str, Any]:
    """Return what keeps calls of S3 from taking longer, unless the environment says otherwise."""
    if url.partition(":")[0] not in S3:
        return {}
    given = fsspec.config.conf.get("s3", {})
    bounds = {
        "connect_timeout": min(CONNECT_SECONDS, seconds / 4),
        "read_timeout": seconds / 4,
        "retries": {"total_max_attempts": 2, "mode": "standard"},
    }
    return {
        "use_listings_cache": False,
        # Some that speak S3 want all parts but the last of one size.
        "fixed_upload_size": True,
        "config_kwargs": bounds | given.get("config_kwargs", {}),
    }
