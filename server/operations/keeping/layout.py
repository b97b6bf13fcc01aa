"""What a backup is: a folder with a copy of the database, of each file, and a list of them.

    manifest.json     the facts of the backup, written last; without it, it is none
    SHA256SUMS        a line for each file, as `sha256sum --check` reads it
    database.db       the embedded engine's database, of one moment
    files/            the storage of the files at the same moment
    server/           the small files of the data folder: the server's id, and what it keeps there

Nothing in a backup is trusted: a path may lead anywhere, and a file may be a link.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import msgspec

from server.core.errors import NotDone, reason_of

MANIFEST, LISTING, DATABASE = "manifest.json", "SHA256SUMS", "database.db"
FILES, SERVER = "files", "server"
#: Raised when an older program could not restore what a newer one writes.
FORMAT = 1
#: What a manifest has at most; it names lost files one by one.
_MANIFEST_BYTES = 64 * 2**20
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")

#: Called with what is being done, how much of it is done, and how much there is (None: unknown).
Progress = Callable[[str, int, int | None], None]


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A file that was lost or damaged already when the backup was made."""

    file: str
    product: int | None = None
    process: int | None = None
    reason: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of a backup. `bytes` is the size of all files but the database."""

    format: int
    version: str
    schema: int
    created: str
    installation: str
    counts: dict[str, int]
    files: int
    bytes: int
    database_bytes: int
    listing_sha256: str
    missing: list[Missing] = []


class Line(NamedTuple):
    """A line of the list: a file's checksum, and its path in the backup with `/`."""

    sha256: str
    path: str

    def __str__(self) -> str:
        """Return the line as it is written."""
        return f"{self.sha256}  {self.path}\n"


def read_manifest(backup: Path) -> Manifest:
    """Return the facts of a backup. :raises NotDone: it is none, or this program cannot read it."""
    if not backup.is_dir():
        raise NotDone(f"There is no backup {backup}")
    try:
        with open_plain(backup, MANIFEST) as file:
            text = file.read(_MANIFEST_BYTES + 1)
    except FileNotFoundError as error:
        raise NotDone(
            f"{backup} is not a backup: it has no {MANIFEST}, which is written last"
        ) from error
    if len(text) > _MANIFEST_BYTES:
        raise NotDone(f"{MANIFEST} of the backup {backup} is too large to be one")
    return _manifest(backup, text)


def _manifest(backup: Path, text: bytes) -> Manifest:
    try:
        version = msgspec.json.decode(text, type=_AnyManifest)
        if version.format > FORMAT:
            raise NotDone(
                f"The backup {backup} was written by a newer Heliograph ({version.version}): "
                "restore it with that version"
            )
        return msgspec.json.decode(text, type=Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise NotDone(f"{MANIFEST} of the backup {backup} is damaged: {error}") from error


class _AnyManifest(msgspec.Struct):
    format: int
    version: str


def read_listing(backup: Path, manifest: Manifest) -> Iterator[Line]:
    """Iterate over the lines of the list, whose checksum is compared first.

    :raises NotDone: the list is not that of the manifest, or a path in it leads elsewhere.
    """
    damaged = f"The list of files in the backup {backup}, {LISTING}, is damaged"
    try:
        with open_plain(backup, LISTING) as file:
            if sha256_of_open(file) != manifest.listing_sha256:
                raise NotDone(f"{damaged}: it has another checksum than the manifest says")
            file.seek(0)
            for line in file:
                found = _LINE.fullmatch(line.decode("utf-8", "replace").rstrip("\n"))
                if found is None or not _is_allowed(found[2]):
                    raise NotDone(f"{damaged}: it has a line that no backup has")
                yield Line(found[1], found[2])
    except FileNotFoundError as error:
        raise NotDone(f"{damaged}: it is missing") from error


def open_plain(backup: Path, path: str) -> BufferedReader:
    """Open a regular file of a backup for reading; no part of its path may be a link.

    :raises FileNotFoundError: there is none.
    :raises NotDone: it is not a regular file.
    """
    *parents, name = path.split("/")
    folder = os.open(backup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for parent in parents:
            inner = os.open(parent, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        descriptor = os.open(name, _FILE, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NotDone(
            f"{path} in the backup {backup} cannot be read: {reason_of(error)}"
        ) from error
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotDone(f"{path} in the backup {backup} cannot be read: it is not a file")
    return os.fdopen(descriptor, "rb")


def sha256_of_open(file: BufferedReader) -> str:
    """Return the checksum of an open file."""
    return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(path: Path) -> str:
    """Return the checksum of a file of one's own."""
    with path.open("rb") as file:
        return sha256_of_open(file)


def is_within(inner: Path, outer: Path) -> bool:
    """Return whether a path is another one or below it, wherever links lead."""
    return inner.resolve().is_relative_to(outer.resolve())


def write_file(path: Path, content: bytes) -> None:
    """Write a new file that only its owner can read, and have it on the disk."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def _is_allowed(path: str) -> bool:
    """Return whether a backup can have a file of this path."""
    first, *others = path.split("/")
    if path == DATABASE:
        return True
    if "\0" in path or any(part in ("", ".", "..") for part in others):
        return False
    return (first == FILES and len(others) == 2) or (first == SERVER and len(others) == 1)
