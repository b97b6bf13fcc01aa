"""Makes a backup of an installation, whether or not a server uses it meanwhile.

A stored file never changes, and a database file can be read as it is at one moment. So files are
copied first, until there are hardly any new ones; then the database is held at one moment, the few
files that it names in addition are copied, and then it itself. If one of these few was deleted in
between, a newer moment is taken. The source is only read. What is written has another name until it
is whole.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from server.config import Config
from server.core.disk.data_folder import kept_files
from server.core.disk.sync import sync
from server.core.errors import DamagedFile, NoRoom, NotDone, NotFound, reason_of
from server.operations.keeping import layout
from server.operations.keeping.copies import Copies
from server.operations.keeping.expected import (
    Expected,
    expected_files,
    installed,
    is_gone,
    under_way,
)
from server.operations.keeping.layout import Line, Manifest, Missing, Progress
from server.operations.keeping.stored_files import StoredFiles
from server.store.engine.database_file import DatabaseFile, database_path

#: Files are copied before the database is held as long as a round finds so many new ones.
FEW_FILES, MOST_ROUNDS = 20, 10
#: How often a newer moment is taken because a file was deleted after the last one, and how often
#: because one is missing of which the record stays: that one is being deleted, or lost.
MOST_MOMENTS, MOST_DOUBTS = 100, 5
PAUSE_SECONDS = 0.05
COUNTED = ("targets", "dataproducts", "groups", "processes", "log_segments", "receipts")
_LOCK = ".lock"


class _OtherMoment(Exception):
    """A file that the database names at this moment is not there any more."""


@dataclass
class _Files:
    """The files of one moment: their keys, what they have together, and what is missing."""

    keys: set[str] = field(default_factory=set)
    size: int = 0
    missing: list[Missing] = field(default_factory=list)


def back_up(
    config: Config, to: Path, *, version: str, progress: Progress, since: Path | None = None
) -> Manifest:
    """Make a backup in a folder that must be new or empty, and return its facts.

    What an earlier backup `since` has already becomes a hard link to there, if that is on the same
    disk. What a killed backup of the same name has copied is used.

    :raises NotDone: it cannot be made; nothing is left behind.
    """
    source = source_of(config)
    to = to.absolute()
    _check_place(config, to, since)
    with _sentences(to), _partial_of(to) as partial:
        manifest = _Backup(config, source, partial, since, progress).make(version)
        (partial / _LOCK).unlink()
        partial.rename(to)
        sync(to.parent)
        return manifest


def source_of(config: Config) -> Path:
    """Return the file of the embedded engine's database. :raises NotDone: there is none."""
    if config.mongodb.uri is not None:
        raise NotDone(
            "The database is a MongoDB (mongodb.uri), which has tools of its own: back it up with "
            "mongodump first and then copy the files (files.url), so that no record lacks its file"
        )
    path = database_path(config.data / "database", config.mongodb.database)
    if not path.is_file():
        raise NotDone(f"There is no database in the data folder {config.data}; see --data")
    return path


class _Backup:
    """One attempt, in the folder `partial`."""

    def __init__(
        self, config: Config, source: Path, partial: Path, since: Path | None, progress: Progress
    ) -> None:
        self._data = config.data
        self._source = source
        self._partial = partial
        self._copies = Copies(StoredFiles(config.storage_url), partial, since)
        self._progress = progress
        #: how often each file was not there, and those that are known to be damaged or lost
        self._doubts: dict[str, int] = {}
        self._lost: dict[str, Missing] = {}

    def make(self, version: str) -> Manifest:
        """Fill the folder and return the facts of the backup."""
        (self._partial / layout.MANIFEST).unlink(missing_ok=True)
        self._copy_ahead()
        for _ in range(MOST_MOMENTS):
            with (
                contextlib.suppress(_OtherMoment),
                DatabaseFile(self._source) as database,
                database.at_one_moment(),
            ):
                return self._at_this_moment(database, version)
            time.sleep(PAUSE_SECONDS)
        raise NotDone("Files are deleted faster than they can be copied: try again later")

    def _copy_ahead(self) -> None:
        for _ in range(MOST_ROUNDS):
            new = 0
            with DatabaseFile(self._source) as database:
                for number, file in enumerate(expected_files(database), 1):
                    self._progress("Copying files", number, None)
                    with contextlib.suppress(NotFound):
                        new += self._bring(file)
            if new <= FEW_FILES:
                return

    def _at_this_moment(self, database: DatabaseFile, version: str) -> Manifest:
        facts = installed(database)
        if facts is None:
            raise NotDone("No server has used this database yet: there is nothing to back up")
        layout.write_file(self._partial / layout.LISTING, b"")
        with (self._partial / layout.LISTING).open("a", encoding="utf-8") as listing:
            files = self._files(database, listing.write)
            for line in (*self._server_files(), self._database(database)):
                listing.write(str(line))
        self._copies.finish(files.keys)
        manifest = Manifest(
            format=layout.FORMAT,
            version=version,
            schema=facts.schema,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            installation=facts.id,
            counts={name: database.count(name) for name in COUNTED},
            files=len(files.keys),
            bytes=files.size,
            database_bytes=(self._partial / layout.DATABASE).stat().st_size,
            listing_sha256=layout.sha256_of(self._partial / layout.LISTING),
            missing=files.missing,
        )
        self._write(manifest)
        return manifest

    def _files(self, database: DatabaseFile, write: Callable[[str], object]) -> _Files:
        """Bring all files of the moment and write the list of them.

        One that is missing although the database says nothing of it may be about to be deleted: a
        newer moment will tell. If it stays missing, it was lost.
        """
        files, way = _Files(), under_way(database)
        for number, file in enumerate(expected_files(database), 1):
            self._progress("Copying files", number, None)
            try:
                self._bring(file)
            except NotFound as error:
                if way.explains(file, database):
                    continue
                self._doubt(file, error)
            if lost := self._lost.get(file.key):
                files.missing.append(lost)
                continue
            files.keys.add(file.key)
            files.size += file.size
            write(str(Line(file.sha256, f"{layout.FILES}/{file.key}")))
        return files

    def _bring(self, file: Expected) -> bool:
        """Copy a file unless that has been done; return whether it was."""
        if file.key in self._lost:
            return False
        try:
            return self._copies.bring(file)
        except DamagedFile as error:
            self._lost[file.key] = _missing(file, error.reason)
            return False

    def _doubt(self, file: Expected, error: NotFound) -> None:
        """Take another moment for a file that is not there, or note that it was lost."""
        self._doubts[file.key] = self._doubts.get(file.key, 0) + 1
        if self._doubts[file.key] <= MOST_DOUBTS or self._is_deleted(file):
            raise _OtherMoment from error
        self._lost[file.key] = _missing(file, "it is not there")

    def _is_deleted(self, file: Expected) -> bool:
        with DatabaseFile(self._source) as now:
            return is_gone(file, now)

    def _server_files(self) -> Iterator[Line]:
        """Copy the small files of the data folder."""
        folder = self._partial / layout.SERVER
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        for name in kept_files(self._data):
            with contextlib.suppress(FileNotFoundError):
                content = (self._data / name).read_bytes()
                layout.write_file(folder / name, content)
                yield Line(hashlib.sha256(content).hexdigest(), f"{layout.SERVER}/{name}")
        sync(folder)

    def _database(self, database: DatabaseFile) -> Line:
        """Copy the database as it is at this moment."""
        self._progress("Copying the database", 0, None)
        place = self._partial / layout.DATABASE
        place.unlink(missing_ok=True)
        database.copy_to(place)
        place.chmod(0o600)
        sync(place)
        return Line(layout.sha256_of(place), layout.DATABASE)

    def _write(self, manifest: Manifest) -> None:
        sync(self._partial / layout.LISTING)
        text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
        layout.write_file(self._partial / layout.MANIFEST, text + b"\n")
        sync(self._partial)


def _missing(file: Expected, reason: str) -> Missing:
    return Missing(file=file.key, product=file.product, process=file.process, reason=reason)


def _check_place(config: Config, to: Path, since: Path | None) -> None:
    """Refuse a place that is taken, or that is part of what is backed up."""
    if os.path.lexists(to) and (to.is_symlink() or not to.is_dir() or any(to.iterdir())):
        raise NotDone(f"{to} exists already: name a new folder for the backup")
    if not to.parent.is_dir():
        raise NotDone(f"The folder {to.parent}, in which the backup is to be, does not exist")
    for folder in filter(None, (config.data, StoredFiles(config.storage_url).folder)):
        if layout.is_within(to, folder) or layout.is_within(folder, to):
            raise NotDone(f"The backup cannot be in {folder}, which is what is backed up")
    if since is not None:
        layout.read_manifest(since)


@contextlib.contextmanager
def _partial_of(to: Path) -> Iterator[Path]:
    """Yield the folder in which a backup is made; remove it unless it was renamed by then.

    If this process is killed, it stays and the next backup to the same place uses it.
    """
    partial = to.with_name(f".{to.name}.partial")
    if partial.is_symlink():
        raise NotDone(f"{partial} is a link: remove it, or name another folder for the backup")
    partial.mkdir(exist_ok=True, mode=0o700)
    lock = os.open(partial / _LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield partial
        except Exception:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except BlockingIOError as error:
        raise NotDone(f"Another backup to {to} is being made at the moment") from error
    finally:
        os.close(lock)


@contextlib.contextmanager
def _sentences(to: Path) -> Iterator[None]:
    """Say what is wrong in one sentence."""
    try:
        yield
    except NoRoom as error:
        raise NotDone(f"There is not enough room for the backup in {to.parent}") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotDone(f"There is not enough room for the backup in {to.parent}") from error
        raise NotDone(f"The backup cannot be written to {to}: {reason_of(error)}") from error
