"""Puts a backup back into an empty data folder, in such an order that a kill does no harm.

The backup is read and compared whole before anything is changed. Then, as long as the file
`restoring` is in the data folder, no server starts on it, and another restore goes on from there.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server.config import Config
from server.core.disk.data_folder import LOCK, RESTORING, is_kept, lock_folder
from server.core.disk.sync import sync
from server.core.errors import HeliographError, NoRoom, NotDone, reason_of
from server.operations.keeping import layout
from server.operations.keeping.layout import Line, Progress
from server.operations.keeping.stored_files import StoredFiles
from server.operations.keeping.verification import Content, Verified, in_backup, verify
from server.operations.storage_root import StorageRoot
from server.store.engine.database_file import database_path, remove_logs

#: What a new disk has, and no reason not to restore to it.
_OF_THE_DISK = frozenset({LOCK, "lost+found"})
#: How many damaged files a sentence names.
MOST_NAMED = 20


@dataclass
class Restored:
    """What was found in the backup, and where the data folder that was there before is now."""

    backup: Verified
    moved_to: list[Path] = field(default_factory=list)


def restore(
    config: Config,
    backup: Path,
    *,
    progress: Progress,
    replace: bool = False,
    skip_damaged: bool = False,
) -> Restored:
    """Put a backup into the data folder, which must be empty unless its content is to be replaced.

    With `replace`, what is there is moved aside first. With `skip_damaged`, files that are damaged
    in the backup are left out.

    :raises NotDone: it cannot be restored.
    :raises StartError: a server uses the data folder, or the backup is of a newer program.
    """
    if config.mongodb.uri is not None:
        raise NotDone(
            "The database is a MongoDB (mongodb.uri): restore it with mongorestore and copy the "
            "files back, or leave mongodb.uri out to restore into the embedded engine"
        )
    backup = backup.absolute()
    with _sentences(config.data):
        found = Restored(verify(backup, progress))
        if found.backup.damaged and not skip_damaged:
            raise NotDone(_damage(found.backup))
        place = _Place(config, backup)
        found.moved_to += place.prepare(replace=replace)
        with place.locked():
            _Restore(config, backup, found.backup, progress).run()
        return found


class _Place:
    """Where a backup is restored to."""

    def __init__(self, config: Config, backup: Path) -> None:
        self._data = config.data
        self._files = StoredFiles(config.storage_url)
        folder = self._files.folder
        inside = folder is None or layout.is_within(folder, self._data)
        #: the storage of the files, if it is a folder elsewhere
        self._elsewhere = None if inside else folder
        for each in filter(None, (self._data, self._elsewhere)):
            if layout.is_within(backup, each) or layout.is_within(each, backup):
                raise NotDone(f"The backup {backup} cannot be restored to {each}")

    def prepare(self, *, replace: bool) -> list[Path]:
        """Make sure that there is nothing, and return where what was there has been moved to."""
        if os.path.lexists(self._data / RESTORING):
            return []
        folders = [self._data, *filter(None, [self._elsewhere])]
        used = [folder for folder in folders if _is_used(folder)]
        if self._files.folder is None and next(self._files.listed(), None) is not None:
            raise NotDone("The storage of the files (files.url) is not empty: name an empty one")
        if used and not replace:
            raise _not_empty(used[0])
        return [self._move_aside(folder) for folder in used]

    def _move_aside(self, folder: Path) -> Path:
        aside = folder.with_name(f"{folder.name}.before-{time.strftime('%Y-%m-%dT%H%M%S')}")
        lock = lock_folder(self._data) if self._data.exists() else None
        try:
            folder.rename(aside)
        except OSError as error:
            why = reason_of(error)
            raise NotDone(
                f"{folder} cannot be moved aside ({why}): empty it, or restore to another folder"
            ) from error
        finally:
            if lock is not None:
                os.close(lock)
        return aside

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Have the data folder to oneself, marked until the block is left without an error."""
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = lock_folder(self._data)
        try:
            if not os.path.lexists(self._data / RESTORING) and _is_used(self._data):
                raise _not_empty(self._data)  # by a server that has come and gone since
            layout.write_file(self._data / RESTORING, b"A restore goes on, or was interrupted.\n")
            sync(self._data)
            yield
            (self._data / RESTORING).unlink()
            sync(self._data)
        finally:
            os.close(lock)


class _Restore:
    def __init__(self, config: Config, backup: Path, found: Verified, progress: Progress) -> None:
        self._config = config
        self._backup = backup
        self._found = found
        self._progress = progress
        self._files = StoredFiles(config.storage_url)

    def run(self) -> None:
        """Copy everything, the database last."""
        lines = [line for line in self._found.lines if line.path not in self._found.damaged]
        for number, line in enumerate(lines, 1):
            self._progress("Copying files", number, len(lines))
            folder, _, name = line.path.partition("/")
            if folder == layout.FILES:
                self._file(line, name)
            elif folder == layout.SERVER and is_kept(name):
                self._replace(line, self._config.data / name)
        self._remove_others({line.path for line in lines})
        if identity := self._found.facts.id:
            asyncio.run(StorageRoot(self._config.storage_url).write_id(identity))
        (database,) = (line for line in lines if line.path == layout.DATABASE)
        self._database(database)

    def _file(self, line: Line, key: str) -> None:
        if self._is_there(line, key):
            return
        backup, _ = in_backup(self._backup, line.path)
        self._files.take(backup, key, Content(backup.measure(key), line.sha256))

    def _is_there(self, line: Line, key: str) -> bool:
        """Return whether an earlier restore has brought a file; what else is there is removed."""
        try:
            self._files.compare(key, Content(self._files.measure(key), line.sha256))
            return True
        except HeliographError:
            self._files.remove(key)
            return False

    def _replace(self, line: Line, place: Path) -> None:
        """Copy a file of the backup to a place, whose file is replaced."""
        partial = place.with_name(f".{place.name[:100]}.new")
        partial.unlink(missing_ok=True)
        if line.path == layout.DATABASE:
            files, key = StoredFiles(self._backup.parent), f"{self._backup.name}/{line.path}"
        else:
            files, key = in_backup(self._backup, line.path)
        files.copy(key, partial, Content(files.measure(key), line.sha256))
        partial.replace(place)

    def _remove_others(self, paths: set[str]) -> None:
        """Remove what a restore of another backup, which did not come to its end, has left."""
        for file in list(self._files.listed()):
            if f"{layout.FILES}/{file.key}" not in paths:
                self._files.remove(file.key)

    def _database(self, line: Line) -> None:
        self._progress("Copying the database", 0, None)
        folder = self._config.data / "database"
        folder.mkdir(exist_ok=True, mode=0o700)
        place = database_path(folder, self._config.mongodb.database)
        remove_logs(place)
        self._replace(line, place)
        sync(folder)


def _is_used(folder: Path) -> bool:
    """Return whether there is anything in a folder."""
    if not os.path.lexists(folder):
        return False
    return any(path.name not in _OF_THE_DISK for path in folder.iterdir())


def _not_empty(folder: Path) -> NotDone:
    return NotDone(
        f"{folder} is not empty: restore to a new data folder (--data), or have the one that is "
        "there moved aside with --replace"
    )


def _damage(found: Verified) -> str:
    named = [f"{path}: {why}" for path, why in list(found.damaged.items())[:MOST_NAMED]]
    if (more := len(found.damaged) - MOST_NAMED) > 0:
        named.append(f"and {more} more")
    return (
        "The backup is damaged; nothing was changed. Use another one, or restore all but these "
        "files with --skip-damaged:\n" + "\n".join(named)
    )


@contextlib.contextmanager
def _sentences(data: Path) -> Iterator[None]:
    """Say what is wrong in one sentence."""
    room = f"There is not enough room in {data}: make some, and run the same command again"
    try:
        yield
    except NoRoom as error:
        raise NotDone(room) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise NotDone(room) from error
        why = reason_of(error)
        raise NotDone(f"The backup cannot be restored to {data}: {why}") from error
