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
from server.operations.moving.tom.server_failures import NO_URL, connecting, reading

MISSING = (
    "A database on a server is read by SQLAlchemy, which is not installed: "
    "pip install 'heliograph[tom]' and the driver of the database (psycopg for PostgreSQL, pymysql "
    "for MySQL), or name a SQLite file"
)
#: How many values one `IN` names.
_AT_ONCE = 500
#: The kinds of servers by the beginning of their URLs; what speaks to MariaDB may have either.
_POSTGRESQL, _MYSQL = "postgresql", ("mysql", "mariadb")
#: What makes a transaction show one moment and keeps it from writing. While files are copied it
#: stands idle, for longer than some servers let it unless they are asked to.
_BEGINNING = {
    _POSTGRESQL: (
        "SET TRANSACTION READ ONLY",
        "SET LOCAL idle_in_transaction_session_timeout = 0",
        "SET LOCAL statement_timeout = 0",
    ),
    "mysql": (
        "SET SESSION wait_timeout = 604800",
        "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ),
}
_OF_MARIADB = (
    "SET SESSION idle_transaction_timeout = 0",
    "SET SESSION idle_readonly_transaction_timeout = 0",
)
#: The last number that a table has given out; not known (NULL) to a user who may not see that.
_SEQUENCE = {
    _POSTGRESQL: "SELECT last_value FROM pg_sequences WHERE to_regclass(quote_ident(schemaname) "
    "|| '.' || quote_ident(sequencename)) = "
    "to_regclass(pg_get_serial_sequence(:table, 'id'))",
    "mysql": "SELECT auto_increment - 1 FROM information_schema.tables "
    "WHERE table_schema = database() AND table_name = :table",
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
    with contextlib.ExitStack() as stack:
        with connecting(sqlalchemy):
            engine = _engine(sqlalchemy, url)
            stack.callback(engine.dispose)
            connection = stack.enter_context(engine.connect())
        with reading(sqlalchemy):
            _begin(sqlalchemy, connection)
            yield ServerDatabase(sqlalchemy, connection)


def _engine(sqlalchemy: Any, url: str) -> Any:
    try:
        engine = sqlalchemy.create_engine(url)
    except (ValueError, TypeError) as error:  # which quotes what it takes for the port
        raise NotDone(NO_URL) from error
    if engine.dialect.is_async:
        raise NotDone(
            "The old database cannot be read: the driver in its URL is for programs of another "
            "kind (asynchronous): use postgresql+psycopg:// or mysql+pymysql://"
        )
    return engine


def _kind(connection: Any) -> str:
    """Return what the server speaks: `mysql` also for MariaDB."""
    name = str(connection.dialect.name)
    return "mysql" if name in _MYSQL else name


def _begin(sqlalchemy: Any, connection: Any) -> None:
    """Begin a transaction that shows one moment and can write nothing."""
    kind = _kind(connection)
    if kind not in _BEGINNING:
        return
    connection.execution_options(isolation_level="REPEATABLE READ")
    first = _OF_MARIADB if getattr(connection.dialect, "is_mariadb", False) else ()
    for statement in (*first, *_BEGINNING[kind]):
        connection.execute(sqlalchemy.text(statement))


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
            if found:  # PostgreSQL names the columns also of what the user may not read
                self._rows(self._chosen(table, sorted(self._columns[table])).limit(0))
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
        """Return the last number that a table has given out, 0 where that cannot be seen."""
        statement = _SEQUENCE.get(_kind(self._connection))
        if statement is None or "id" not in self.columns(table):
            return 0
        found = self._connection.execute(self._sql.text(statement), {"table": table}).scalar()
        return int(found or 0)

    def _bytes(self, column: Any) -> Any:
        """Return the size in UTF-8, whatever the encoding is there."""
        sql, kind = self._sql, _kind(self._connection)
        if kind == "sqlite":
            return sql.func.length(sql.cast(column, sql.LargeBinary))
        if kind == _POSTGRESQL:
            return sql.func.octet_length(sql.func.convert_to(column, "UTF8"))
        if kind == "mysql":
            return sql.func.octet_length(sql.text(f"CONVERT({column.name} USING utf8mb4)"))
        return sql.func.octet_length(column)

    def _chosen(self, table: str, columns: Sequence[str]) -> Any:
        wanted = [self._sql.column(name) for name in columns]
        return self._sql.select(*wanted).select_from(self._sql.table(table))

    def _rows(self, chosen: Any) -> list[Row]:
        return [dict(row) for row in self._connection.execute(chosen).mappings()]
