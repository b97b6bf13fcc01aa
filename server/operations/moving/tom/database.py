"""The database of an old site, only read, as it is at one moment.

A SQLite file is copied first, in one transaction, into a temporary database: so the site may go on,
nothing of it stays locked, and its write-ahead log is left alone. What the tables mean is left to
`site`.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from server.core.errors import NotDone, reason_of

Row = dict[str, Any]

#: How long to wait for a lock of the site.
BUSY_SECONDS = 20.0
#: How many values one `IN` names.
_AT_ONCE = 500
#: Where a SQLite file says that it has a write-ahead log (https://sqlite.org/fileformat.html).
_VERSION_AT, _WITH_LOG = 19, 2
_DAMAGED = "{} is damaged: restore it from a backup of the old site"


class OldDatabase(Protocol):
    """Tables by name; rows come in the order of a column of numbers. Columns are existing ones."""

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns, none if there is no such table."""

    def after(
        self, table: str, columns: Sequence[str], key: str, after: int, limit: int
    ) -> list[Row]:
        """Return the first rows with a larger key, in its order."""

    def of(self, table: str, columns: Sequence[str], key: str, values: Sequence[Any]) -> list[Row]:
        """Return the rows whose key is one of these values."""

    def number(self, table: str, what: str, column: str) -> int:
        """Return the `count` of the rows, or the `last` number or all `bytes` of a column."""

    def sequence(self, table: str) -> int:
        """Return the last number that a table has given out, 0 where that is not kept."""


@contextlib.contextmanager
def opened_file(path: Path) -> Iterator[OldDatabase]:
    """Have a copy of a file, as it is in one transaction, until the block is left.

    :raises NotDone: it cannot be read; the sentence says why.
    """
    with contextlib.closing(_snapshot(path)) as connection:
        yield SqliteDatabase(connection)


class SqliteDatabase:
    """A SQLite database that nobody else writes to."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._columns: dict[str, frozenset[str]] = {}
        connection.row_factory = sqlite3.Row
        # Text that is not UTF-8 is in some databases all the same.
        connection.text_factory = lambda text: text.decode("utf-8", "replace")

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns, none if there is no such table."""
        if table not in self._columns:
            found = self._rows(f"PRAGMA table_info({_quoted(table)})")
            self._columns[table] = frozenset(row["name"] for row in found)
        return self._columns[table]

    def after(
        self, table: str, columns: Sequence[str], key: str, after: int, limit: int
    ) -> list[Row]:
        """Return the first rows with a larger key, in its order."""
        return self._rows(
            f"SELECT {_names(columns)} FROM {_quoted(table)} "
            f"WHERE {_quoted(key)} > ? ORDER BY {_quoted(key)} LIMIT ?",
            after,
            limit,
        )

    def of(self, table: str, columns: Sequence[str], key: str, values: Sequence[Any]) -> list[Row]:
        """Return the rows whose key is one of these values."""
        found: list[Row] = []
        for start in range(0, len(values), _AT_ONCE):
            part = values[start : start + _AT_ONCE]
            marks = ", ".join("?" * len(part))
            found += self._rows(
                f"SELECT {_names(columns)} FROM {_quoted(table)} WHERE {_quoted(key)} IN ({marks})",
                *part,
            )
        return found

    def number(self, table: str, what: str, column: str) -> int:
        """Return the `count` of the rows, or the `last` number or all `bytes` of a column."""
        name = _quoted(column)
        sums = {
            "count": "count(*)",
            "last": f"max({name})",
            "bytes": f"sum(length(CAST({name} AS BLOB)))",
        }
        found = self._rows(f"SELECT {sums[what]} AS found FROM {_quoted(table)}")[0]["found"]
        return found if isinstance(found, int) else 0

    def sequence(self, table: str) -> int:
        """Return the last number that a table has given out, 0 where that is not kept."""
        if not self.columns("sqlite_sequence"):
            return 0
        found = self._rows("SELECT max(seq) AS seq FROM sqlite_sequence WHERE name = ?", table)
        return found[0]["seq"] if isinstance(found[0]["seq"], int) else 0

    def _rows(self, statement: str, *values: object) -> list[Row]:
        with _sentences("The copy of the database"):
            return [dict(row) for row in self._connection.execute(statement, values)]


def _snapshot(path: Path) -> sqlite3.Connection:
    """Return a copy, on disk until it is closed, of a file as it is in one transaction."""
    if not path.is_file():
        raise NotDone(f"There is no database {path}")
    copy = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    try:
        with _sentences(str(path)):
            settled, before = _is_settled(path), _facts(path)
            _fill(copy, path, immutable=settled)
            if settled and not (_is_settled(path) and _facts(path) == before):
                raise NotDone(f"{path} was written to just now: run the same command again")
    except BaseException:
        copy.close()
        raise
    return copy


def _fill(copy: sqlite3.Connection, path: Path, *, immutable: bool) -> None:
    with contextlib.closing(_connect(path, immutable=immutable)) as source:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        source.backup(copy, progress=_patience(path))


def _is_settled(path: Path) -> bool:
    """Return whether a database has a write-ahead log when it is open, and now is not open.

    Only then it is safe to read it without the files that SQLite makes beside it for that.
    """
    if any(os.path.lexists(f"{path}{suffix}") for suffix in ("-wal", "-journal")):
        return False
    with path.open("rb") as file:
        head = file.read(_VERSION_AT + 1)
    return len(head) > _VERSION_AT and head[_VERSION_AT] == _WITH_LOG


def _facts(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _connect(path: Path, *, immutable: bool) -> sqlite3.Connection:
    mode = "immutable=1" if immutable else "mode=ro"
    name = f"file:{quote(str(path.absolute()))}?{mode}"
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=BUSY_SECONDS)


def _patience(path: Path) -> Callable[[int, int, int], None]:
    """Return what ends a copy that does not come on: by itself it would wait for ever."""
    deadline = time.monotonic() + BUSY_SECONDS

    def check(status: int, left: int, total: int) -> None:
        if status in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED) and time.monotonic() > deadline:
            raise _locked(path)

    return check


def _locked(place: object) -> NotDone:
    return NotDone(
        f"{place} is locked by a program that writes to it: wait until that is done, or stop the "
        "old site, and run the same command again"
    )


@contextlib.contextmanager
def _sentences(place: str) -> Iterator[None]:
    """Say what is wrong with a file."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise _locked(place) from error
        if code == sqlite3.SQLITE_NOTADB:
            raise NotDone(f"{place} is not the database of a TOM: it is not SQLite") from error
        if code == sqlite3.SQLITE_CORRUPT:
            raise NotDone(_DAMAGED.format(place)) from error
        if code == sqlite3.SQLITE_FULL:
            raise NotDone(
                "There is not enough room for a copy of the old database in the folder for "
                "temporary files: make some, or name another one in TMPDIR"
            ) from error
        if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
            raise NotDone(
                f"{place} cannot be read as it is: the old site was not closed in order, and its "
                "folder cannot be written to; copy the database with the files beside it that "
                "have the same name and -wal, -shm or -journal, and name the copy"
            ) from error
        raise NotDone(f"{place} cannot be read: {error}") from error
    except UnicodeDecodeError as error:  # SQLite quotes damaged names in its message
        raise NotDone(_DAMAGED.format(place)) from error
    except OSError as error:
        raise NotDone(f"{place} cannot be read: {reason_of(error)}") from error


def _names(columns: Sequence[str]) -> str:
    return ", ".join(map(_quoted, columns))


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
