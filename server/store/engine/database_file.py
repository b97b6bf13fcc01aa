"""The embedded engine's database file, read directly: whether or not an engine serves it now.

SQLite lets others read beside the engine, and shows each transaction one moment of the database
however much is written meanwhile. What documents mean is left to the callers.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

from server.core.errors import DamagedDatabase, HeliographError, NoRoom
from server.store.documents import Document

#: What the engine puts behind the name of a database.
DATABASE_SUFFIX = ".db"
#: Documents that are read at once.
_BATCH = 500
#: How long to wait for a lock that the engine holds for some milliseconds at a time.
_BUSY_SECONDS = 20.0
#: Pages given back at a time beside a running engine, as that one does it.
_PAGES_A_STEP = 250
#: Documents are text; newer SQLites may keep them in a form of their own.
_DATA = "CASE typeof(data) WHEN 'blob' THEN json(data) ELSE data END"
#: What SQLite has of its own, and the engine's list of its indexes.
_OTHER_TABLES = frozenset(
    {"sqlite_sequence", "sqlite_stat1", "sqlite_stat4", "neosqlite_index_keys"}
)


class DatabaseFile:
    """One database file, opened by `with`; nothing in it is changed unless it is `writable`.

    A `frozen` one is a copy that nobody else has open; what lies beside it is not looked at.
    """

    def __init__(self, path: Path, *, writable: bool = False, frozen: bool = False) -> None:
        self.path = path
        self._frozen = frozen
        self._writable = writable
        self._connection: sqlite3.Connection

    def exists(self) -> bool:
        """Return whether there is such a file."""
        return self.path.is_file()

    def __enter__(self) -> Self:
        with _translated(self.path):
            self._connection = sqlite3.connect(
                f"file:{quote(str(self.path))}?{self._mode()}",
                uri=True,
                isolation_level=None,
                timeout=_BUSY_SECONDS,
            )
            if not self._writable:
                self._connection.execute("PRAGMA query_only=ON")
        return self

    def _mode(self) -> str:
        # Who may only read cannot remove the write-ahead log that SQLite makes to read at all, so
        # this is for folders that cannot be written to. Nobody changes a file there either.
        if self._frozen:
            return "immutable=1"
        if os.access(self.path.parent, os.W_OK) and os.access(self.path, os.W_OK):
            return "mode=rw"
        return "mode=ro" if _has_log(self.path) else "immutable=1"

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextlib.contextmanager
    def at_one_moment(self) -> Iterator[None]:
        """Show the database as it is now until the block is left, whatever is written meanwhile."""
        with _translated(self.path):
            self._connection.execute("BEGIN")
            try:
                self._connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def documents(self, collection: str, at_once: int = _BATCH) -> Iterator[Document]:
        """Iterate over the documents of a collection, the oldest first, so many read at once."""
        if collection not in self.collections():
            return
        after = 0
        while True:
            found = self._rows(
                f"SELECT id, {_DATA} FROM {_quoted(collection)} WHERE id > ? ORDER BY id LIMIT ?",
                after,
                at_once,
            )
            yield from (self._document(text) for _, text in found)
            if len(found) < at_once:
                return
            after = found[-1][0]

    def get(self, collection: str, pk: int | str) -> Document | None:
        """Return the document with this `_id`, None if there is none."""
        if collection not in self.collections():
            return None
        found = self._rows(f"SELECT {_DATA} FROM {_quoted(collection)} WHERE _id = ?", str(pk))
        return self._document(found[0][0]) if found else None

    def get_many(self, collection: str, pks: Sequence[int | str]) -> dict[int | str, Document]:
        """Return those documents with these `_id`s that there are, some hundreds at most."""
        if collection not in self.collections():
            return {}
        marks = ", ".join("?" * len(pks))
        found = self._rows(
            f"SELECT {_DATA} FROM {_quoted(collection)} WHERE _id IN ({marks})", *map(str, pks)
        )
        documents = [self._document(text) for (text,) in found]
        return {document["_id"]: document for document in documents}

    def count(self, collection: str) -> int:
        """Return how many documents a collection has."""
        if collection not in self.collections():
            return 0
        return int(self._rows(f"SELECT count(*) FROM {_quoted(collection)}")[0][0])

    def collections(self) -> set[str]:
        """Return the names of the collections."""
        found = self._rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {name for (name,) in found} - _OTHER_TABLES

    def indexed(self) -> set[tuple[str, str]]:
        """Return each collection and field that has an index."""
        found = self._rows(
            "SELECT tbl_name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        )
        return {(name, sql.rpartition("$.")[2].partition("'")[0]) for name, sql in found}

    def foreign_parts(self) -> list[str]:
        """Return the names of views and triggers, of which the engine makes none."""
        wanted = "SELECT name FROM sqlite_master WHERE type NOT IN ('table', 'index')"
        return [name for (name,) in self._rows(wanted)]

    def damage(self, *, thorough: bool = True) -> str | None:
        """Return what SQLite finds wrong with the file, None if it is sound."""
        pragma = "integrity_check" if thorough else "quick_check"
        try:
            with _translated(self.path):
                ((found, *_), *_) = self._connection.execute(f"PRAGMA {pragma}(1)").fetchall()
        except DamagedDatabase as error:
            return error.reason
        return None if found == "ok" else str(found).replace("\n", " ")

    def copy_to(self, place: Path) -> None:
        """Write a copy to a new file, of the same moment as everything else in the transaction."""
        with _translated(self.path), contextlib.closing(sqlite3.connect(place)) as copy:
            self._connection.backup(copy)
            # What is copied says that it has a write-ahead log; alone it is complete.
            copy.execute("PRAGMA journal_mode=DELETE")

    @property
    def free_bytes(self) -> int:
        """What is free within the file."""
        return self._number("freelist_count") * self._number("page_size")

    def shrink(self) -> None:
        """Give free pages back in steps that hold nobody up, with an engine that goes on."""
        with _translated(self.path):
            while before := self._number("freelist_count"):
                self._connection.executescript(f"PRAGMA incremental_vacuum({_PAGES_A_STEP})")
                if self._number("freelist_count") >= before:
                    break  # it was made without that, or others write as fast
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def rewrite(self) -> None:
        """Write the file anew without anything free in it; no engine may serve it.

        Needs as much room as the database has.
        """
        with _translated(self.path):
            self._connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            self._connection.execute("VACUUM")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _number(self, pragma: str) -> int:
        return int(self._rows(f"PRAGMA {pragma}")[0][0])

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with _translated(self.path):
            return self._connection.execute(statement, values).fetchall()

    def _document(self, text: str) -> Document:
        try:
            document: Document = json.loads(text)
        except ValueError as error:
            raise DamagedDatabase(self.path.name, "a document in it cannot be read") from error
        return document


def engine_version() -> str:
    """Return what the embedded engine stores in, with its version."""
    return f"SQLite {sqlite3.sqlite_version}"


def database_path(folder: Path, name: str) -> Path:
    """Return the file of a database in the engine's folder."""
    return folder / f"{name}{DATABASE_SUFFIX}"


def size_of(path: Path) -> int:
    """Return the bytes that a database takes, with its write-ahead log."""
    size = 0
    for each in (path, _log_of(path)):
        with contextlib.suppress(FileNotFoundError):
            size += each.stat().st_size
    return size


def remove_logs(path: Path) -> None:
    """Remove the log and the index of a database that is to be replaced."""
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _has_log(path: Path) -> bool:
    return os.path.lexists(_log_of(path))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextlib.contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Raise the domain's errors for those of SQLite."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise NoRoom() from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedDatabase(path.name, "it is not a sound SQLite database") from error
        if code == sqlite3.SQLITE_BUSY:
            raise HeliographError("The database is busy: try again later") from error
        raise HeliographError(f"The database file {path.name} cannot be used: {error}") from error
