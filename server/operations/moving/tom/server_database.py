"""The database of an old site on a server (PostgreSQL, MySQL, …), by SQLAlchemy, which is an extra.

Everything is read in one transaction, which shows one moment and can write nothing.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator, Sequence
from typing import Any

from server.core.errors import NotDone
from server.operations.moving.tom.database import OldDatabase, Row

MISSING = (
    "A database on a server is read by SQLAlchemy, which is not installed: "
    "pip install 'heliograph[tom]' and the driver of the database (psycopg for PostgreSQL, pymysql "
    "for MySQL), or name a SQLite file"
)
NO_URL = (
    "The old database cannot be read: this is not a URL that SQLAlchemy knows, such as "
    "postgresql+psycopg://user@host/name; in a password, write @ as %40, : as %3A and / as %2F"
)
#: How many values one `IN` names.
_AT_ONCE = 500
#: What makes a transaction show one moment, and what keeps it from writing.
_AT_ONE_MOMENT = {"postgresql": "REPEATABLE READ", "mysql": "REPEATABLE READ"}
_READ_ONLY = {
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
}


@contextlib.contextmanager
def opened_url(url: str) -> Iterator[OldDatabase]:
    """Have a database as it is now, until the block is left.

    :raises NotDone: SQLAlchemy or the driver is missing, or the database does not answer. No
        part of the URL is in the sentence.
    """
    try:
        sqlalchemy: Any = importlib.import_module("sqlalchemy")
    except ImportError as error:
        raise NotDone(MISSING) from error
    with _sentences(sqlalchemy), contextlib.ExitStack() as stack:
        engine = _engine(sqlalchemy, url)
        stack.callback(engine.dispose)
        dialect = engine.dialect.name
        options = {"isolation_level": _AT_ONE_MOMENT[dialect]} if dialect in _AT_ONE_MOMENT else {}
        connection = stack.enter_context(engine.connect().execution_options(**options))
        if dialect in _READ_ONLY:
            connection.execute(sqlalchemy.text(_READ_ONLY[dialect]))
        yield ServerDatabase(sqlalchemy, connection)


def _engine(sqlalchemy: Any, url: str) -> Any:
    try:
        return sqlalchemy.create_engine(url)
    except (ValueError, TypeError) as error:  # which quotes what it takes for the port
        raise NotDone(NO_URL) from error


class ServerDatabase:
    """A database that SQLAlchemy reads."""

    def __init__(self, sqlalchemy: Any, connection: Any) -> None:
        self._sql = sqlalchemy
        self._connection = connection
        self._columns: dict[str, frozenset[str]] = {}

    def columns(self, table: str) -> frozenset[str]:
        """Return the names of a table's columns, none if there is no such table."""
        if table not in self._columns:
            inspector = self._sql.inspect(self._connection)
            found = inspector.get_columns(table) if inspector.has_table(table) else []
            self._columns[table] = frozenset(column["name"] for column in found)
        return self._columns[table]

    def after(
        self, table: str, columns: Sequence[str], key: str, after: int, limit: int
    ) -> list[Row]:
        """Return the first rows with a larger key, in its order."""
        by = self._sql.column(key)
        chosen = self._chosen(table, columns).where(by > after).order_by(by).limit(limit)
        return self._rows(chosen)

    def of(self, table: str, columns: Sequence[str], key: str, values: Sequence[Any]) -> list[Row]:
        """Return the rows whose key is one of these values."""
        chosen, by = self._chosen(table, columns), self._sql.column(key)
        found: list[Row] = []
        for start in range(0, len(values), _AT_ONCE):
            found += self._rows(chosen.where(by.in_(list(values[start : start + _AT_ONCE]))))
        return found

    def number(self, table: str, what: str, column: str) -> int:
        """Return the `count` of the rows, or the `last` number or all `bytes` of a column."""
        sql, name = self._sql, self._sql.column(column)
        sums = {
            "count": sql.func.count(),
            "last": sql.func.max(name),
            "bytes": sql.func.sum(self._bytes(name)),
        }
        chosen = sql.select(sums[what]).select_from(sql.table(table))
        return int(self._connection.execute(chosen).scalar() or 0)

    def sequence(self, table: str) -> int:
        """Return 0: where the numbers come from differs from one kind of server to the next."""
        return 0

    def _bytes(self, column: Any) -> Any:
        if self._connection.dialect.name == "sqlite":
            return self._sql.func.length(self._sql.cast(column, self._sql.LargeBinary))
        return self._sql.func.octet_length(column)

    def _chosen(self, table: str, columns: Sequence[str]) -> Any:
        wanted = [self._sql.column(name) for name in columns]
        return self._sql.select(*wanted).select_from(self._sql.table(table))

    def _rows(self, chosen: Any) -> list[Row]:
        return [dict(row) for row in self._connection.execute(chosen).mappings()]


@contextlib.contextmanager
def _sentences(sqlalchemy: Any) -> Iterator[None]:
    """Say what is wrong, without the words of a driver: these may quote the URL."""
    failures = sqlalchemy.exc
    try:
        yield
    except (failures.ArgumentError, failures.NoSuchModuleError) as error:
        raise NotDone(NO_URL) from error
    except ImportError as error:
        raise NotDone(
            f"The old database cannot be read: its driver is not installed: pip install "
            f"{error.name or 'it'}"
        ) from error
    except (failures.OperationalError, failures.InterfaceError) as error:
        raise NotDone(
            "The old database does not answer, or refuses the user or password: look at the URL, "
            "and run the same command again"
        ) from error
    except failures.SQLAlchemyError as error:
        raise NotDone(
            f"The old database cannot be read: it refuses a question ({type(error).__name__})"
        ) from error
