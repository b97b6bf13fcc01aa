"""Gives back what nothing needs: free room in the database, and files that no record names.

Uploads and outputs are never removed here, not even those that the database does not know: they may
be newer than a database that was put back.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from server.config import Config
from server.core.disk.data_folder import is_held, lock_folder
from server.core.errors import NotDone
from server.operations.keeping.backup import source_of
from server.operations.keeping.expected import expected_files, under_way
from server.operations.keeping.stored_files import Listed, StoredFiles
from server.operations.storage_root import ID_FILE, LOG
from server.store.engine.database_file import DatabaseFile, size_of
from server.store.installation import facts_of

#: A file that a running server may still be writing is left alone for so long.
ABANDONED_SECONDS = 3600.0
#: Previews begin with the checksum of what they are drawn of.
_PREVIEW = re.compile(r"([0-9a-f]{64})\b.*")
#: What the next start of a server would remove, too.
_PASSING = ("incoming", "runs", "leftovers")


@dataclass(frozen=True)
class Removed:
    """How many things of a kind were removed, and the bytes given back by that."""

    what: str
    count: int
    size: int


@dataclass(frozen=True)
class Vacuumed:
    """What was removed, and the bytes that the database took before and takes now.

    `unknown` counts files of data products that the database does not know.
    """

    removed: list[Removed]
    before: int
    after: int
    running: bool
    unknown: int

    @property
    def size(self) -> int:
        """All bytes given back."""
        return self.before - self.after + sum(removed.size for removed in self.removed)


def vacuum(config: Config) -> Vacuumed:
    """Give back what can be, also beside a running server; that one is not held up.

    :raises NotDone: the database or the storage cannot be used, or they do not belong together.
    :raises StartError: a server has just started.
    """
    source = source_of(config)
    files = StoredFiles(config.storage_url)
    with _alone(config.data) as alone:
        # The files first: what is stored meanwhile is then known to the database.
        listed = list(files.listed())
        with DatabaseFile(source) as database:
            _check_belong(database, files)
            segments, unknown, products = _unneeded(listed, database)
        partial = [file for file in listed if file.is_partial and (alone or _is_old(file))]
        removed = [
            _remove(files, "parts of logs that no process has", segments, alone),
            _remove(files, "files that were never complete", partial, alone),
            _remove_previews(config.data / "previews", products),
            *(_remove_passing(config.data / name) for name in _PASSING if alone),
        ]
        before = size_of(source)
        with DatabaseFile(source, writable=True) as database:
            database.rewrite() if alone else database.shrink()
        after = size_of(source)
    shown = [each for each in removed if each.count]
    return Vacuumed(shown, before, max(0, min(before, after)), not alone, unknown)


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[bool]:
    """Yield whether no server uses the data folder, and let none start until the block is left."""
    if is_held(data):
        yield False
        return
    lock = lock_folder(data)
    try:
        yield True
    finally:
        os.close(lock)


def _check_belong(database: DatabaseFile, files: StoredFiles) -> None:
    facts = facts_of(database)
    if facts is None:
        raise NotDone("No server has used this database yet: there is nothing to give back")
    written = None
    if files.folder is not None:
        with contextlib.suppress(FileNotFoundError):
            written = (files.folder / ID_FILE).read_text("ascii", "replace").strip()
        if written != facts.id:
            raise NotDone(
                "The files here do not belong to this database: nothing is removed; "
                "`heliograph check` says more"
            )


def _unneeded(listed: list[Listed], database: DatabaseFile) -> tuple[list[Listed], int, set[str]]:
    """Return the parts of logs that nothing names, and how many other such files there are.

    The third is the checksums of all data products.
    """
    products: set[str] = set()
    with database.at_one_moment():
        expected = under_way(database).keys
        for file in expected_files(database):
            expected.add(file.key)
            if file.product is not None:
                products.add(file.sha256)
    others = [file for file in listed if file.key not in expected and not file.is_partial]
    segments = [file for file in others if file.folder.startswith(LOG) and file.plain]
    return segments, len(others) - len(segments), products


def _remove(files: StoredFiles, what: str, unneeded: list[Listed], alone: bool) -> Removed:
    for file in unneeded:
        files.remove(file.key, alone=alone)
    return Removed(what, len(unneeded), sum(file.size for file in unneeded))


def _remove_previews(folder: Path, products: set[str]) -> Removed:
    """Remove the previews of data products that are gone; others are used again."""
    count = size = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        found = _PREVIEW.fullmatch(path.name)
        if found and found[1] not in products and path.is_file() and not path.is_symlink():
            count, size = count + 1, size + path.stat().st_size
            path.unlink(missing_ok=True)
    return Removed("previews of deleted data products", count, size)


def _remove_passing(folder: Path) -> Removed:
    """Remove what uploads and runs of a server that was killed have left behind."""
    count = size = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        count, size = count + 1, size + _size_of(path)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return Removed(f"leftovers in {folder.name}", count, size)


def _size_of(path: Path) -> int:
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size
    every = (Path(folder) / name for folder, _, names in os.walk(path) for name in names)
    return sum(each.lstat().st_size for each in every)


def _is_old(file: Listed) -> bool:
    return time.time() - file.modified > ABANDONED_SECONDS
