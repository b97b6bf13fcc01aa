"""PostgreSQL and MariaDB, started here, with the database of an old site as Django makes it."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import quote

import pytest

#: What a password may have in it, and what no output may.
SECRET = "hunter2@:/%?#hunter2"
START_SECONDS = 60.0
#: Where Debian has what is not in the PATH.
_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/sbin", "/usr/local/sbin")
_INTEGER_KEY = "primary key autoincrement"


def program(name: str) -> str:
    """Return where a program is; skip the test, with the reason, if it is not at hand."""
    if found := shutil.which(name):
        return found
    for folder in _FOLDERS:
        at = sorted(Path("/").glob(f"{folder[1:]}/{name}"))
        if at:
            return str(at[-1])
    pytest.skip(f"there is no {name} here")


class OldServer(ABC):
    """A server of databases of its own in a temporary folder, which has the database `tom`."""

    user: str
    driver: str
    #: by what SQLite declares; `key` is a PK as Django 3.2 makes it, and as newer ones do
    types: ClassVar[dict[str, str]]
    keys: tuple[str, str]
    json: str

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def install(self) -> None:
        """Make the files of the server."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return what runs the server in the foreground."""

    @abstractmethod
    def quoted(self, name: str) -> str:
        """Return a name as SQL has it."""

    @abstractmethod
    def advance(self, table: str, last: int) -> str:
        """Return what makes the next PK follow this one."""

    def url(self, user: str | None = None, password: str | None = SECRET, name: str = "tom") -> str:
        """Return the URL of a database; by default for the administrator."""
        secret = "" if password is None else f":{quote(password, safe='')}"
        return f"{self.driver}://{user or self.user}{secret}@127.0.0.1:{self.port}/{name}"

    def run(self, *command: str, give: bytes = b"") -> None:
        """Run a command as the server's user."""
        done = subprocess.run(command, input=give, capture_output=True, **self._as_user())
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        assert self.process is None
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdout=log, stderr=log, **self._as_user()
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            assert time.monotonic() < deadline, (self.folder / "server.log").read_text()
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            time.sleep(0.02)

    #: what ends it at once, with nothing put in order
    end = signal.SIGKILL

    def stop(self) -> None:
        """End the server as a crash does."""
        if self.process is not None:
            self.process.send_signal(self.end)
            self.process.wait()
            self.process = None

    def answers(self) -> bool:
        """Return whether the server can be connected to."""
        import sqlalchemy

        try:
            self.execute("SELECT 1", name=self.administration)
        except sqlalchemy.exc.OperationalError:
            return False
        return True

    administration = "mysql"

    def execute(self, *statements: str, name: str = "tom") -> None:
        """Execute statements as the administrator, each at once."""
        with self.cursor(name) as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def cursor(self, name: str = "tom") -> Iterator[Any]:
        """Yield a cursor of the driver."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(self.url(name=name), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            raw = connection.connection.cursor()
            yield raw
            raw.close()
        engine.dispose()

    @abstractmethod
    def reader(self, *hidden: str) -> str:
        """Return the URL for a user who may read all tables but some, and write none."""

    def fill(self, database: Path, *, new: bool = False) -> None:
        """Have all tables of a SQLite file, as old or new versions of Django make them here."""
        self.execute("DROP DATABASE IF EXISTS tom", name=self.administration)
        self.execute(self.creation, name=self.administration)
        with closing(sqlite3.connect(database)) as source, self.cursor() as cursor:
            tables = source.execute(
                "SELECT name, sql FROM sqlite_master "
                "WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
            ).fetchall()
            for table, sql in tables:
                keyed = _INTEGER_KEY in re.sub(r"\s+", " ", sql.lower())
                self._copy(source, cursor, table, keyed=keyed, new=new)

    creation = "CREATE DATABASE tom"

    def _copy(
        self, source: sqlite3.Connection, cursor: Any, table: str, *, keyed: bool, new: bool
    ) -> None:
        columns = source.execute(f'PRAGMA table_info("{table}")').fetchall()
        kinds = {name: kind.lower() for _, name, kind, *_ in columns}
        made = []
        for _, name, kind, required, _, key in columns:
            as_json = new and (table, name) == ("tom_dataproducts_reduceddatum", "value")
            made_as = self.json if as_json else self.types.get(kind.lower(), kind)
            if key:
                made_as = self.keys[new] if keyed else f"{made_as} PRIMARY KEY"
            made.append(f"{self.quoted(name)} {made_as}{' NOT NULL' if required else ''}")
        cursor.execute(f"CREATE TABLE {self.quoted(table)} ({', '.join(made)})")
        rows = source.execute(f'SELECT * FROM "{table}"').fetchall()
        if rows:
            names = ", ".join(self.quoted(name) for name in kinds)
            marks = ", ".join(["%s"] * len(kinds))
            cursor.executemany(
                f"INSERT INTO {self.quoted(table)} ({names}) VALUES ({marks})",
                [[self.given(kind, value) for kind, value in zip(kinds.values(), row, strict=True)]
                 for row in rows],
            )  # fmt: skip
        last = source.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
        if keyed and last and last[0]:
            cursor.execute(self.advance(table, last[0]))

    def given(self, kind: str, value: Any) -> Any:
        """Return a value of SQLite as the driver takes it."""
        return bool(value) if kind == "bool" and value is not None else value

    def _as_user(self) -> dict[str, Any]:
        """Return what runs a program as the server's user, as PostgreSQL refuses to run as root."""
        if os.geteuid() != 0:
            return {"cwd": self.folder}
        return {"cwd": self.folder, "user": self.user_here, "group": self.user_here}

    user_here: str


class PostgreSQL(OldServer):
    """PostgreSQL, which keeps times with a time zone."""

    user, user_here, driver, administration = (
        "postgres",
        "postgres",
        "postgresql+psycopg",
        "postgres",
    )
    types: ClassVar[dict[str, str]] = {
        "datetime": "timestamp with time zone", "bool": "boolean", "real": "double precision",
        "smallint unsigned": "smallint", "integer unsigned": "integer",
        "blob": "bytea",
    }  # fmt: skip
    keys = ("serial PRIMARY KEY", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY")
    json = "jsonb"
    # Killed, it leaves shared memory behind; this is its own crash, which does not.
    end = signal.SIGQUIT

    def install(self) -> None:
        """Make the files of the server."""
        secret = self.folder / "password"
        secret.write_text(SECRET)
        secret.chmod(0o644)
        self.run(
            program("initdb"), "-D", str(self.folder / "data"), "-U", self.user, "-E", "UTF8",
            "--locale=C", "-N", "-A", "scram-sha-256", f"--pwfile={secret}",
        )  # fmt: skip

    def command(self) -> list[str]:
        """Return what runs the server in the foreground."""
        return [
            program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), "-F",
            "-k", str(self.folder), "-h", "127.0.0.1", "-c", "timezone=Asia/Kolkata",
        ]  # fmt: skip

    def quoted(self, name: str) -> str:
        """Return a name as SQL has it."""
        return f'"{name}"'

    def advance(self, table: str, last: int) -> str:
        """Return what makes the next PK follow this one."""
        return f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last})"

    def reader(self, *hidden: str) -> str:
        """Return the URL for a user who may read all tables but some, and write none."""
        self.execute(
            "DROP OWNED BY reader" if self._has_reader else
            f"CREATE ROLE reader LOGIN PASSWORD '{SECRET}'",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
            "ALTER ROLE reader SET idle_in_transaction_session_timeout = '100ms'",
            *(f"REVOKE SELECT ON {table} FROM reader" for table in hidden),
        )  # fmt: skip
        self._has_reader = True
        return self.url("reader")

    _has_reader = False

    def given(self, kind: str, value: Any) -> Any:
        """Return a value of SQLite as the driver takes it."""
        if kind == "datetime" and value is not None:
            return f"{value}+00"
        return super().given(kind, value)


class MariaDB(OldServer):
    """MariaDB, which keeps times without a time zone."""

    user, user_here, driver = "root", "mysql", "mysql+pymysql"
    types: ClassVar[dict[str, str]] = {
        "datetime": "datetime(6)", "bool": "bool", "real": "double precision", "text": "longtext",
        "blob": "longblob",
    }  # fmt: skip
    keys = ("integer AUTO_INCREMENT PRIMARY KEY", "bigint AUTO_INCREMENT PRIMARY KEY")
    json = "json"
    creation = "CREATE DATABASE tom CHARACTER SET utf8mb4"

    def install(self) -> None:
        """Make the files of the server."""
        self.run(
            program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}",
            "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve",
        )  # fmt: skip
        statement = f"ALTER USER root@localhost IDENTIFIED BY '{SECRET}';\n"
        start = self.folder / "start.sql"
        start.write_text(
            statement + f"CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '{SECRET}';\n"
            "GRANT ALL ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
        )
        start.chmod(0o644)

    def command(self) -> list[str]:
        """Return what runs the server in the foreground."""
        return [
            program("mariadbd"), "--no-defaults", f"--datadir={self.folder / 'data'}",
            f"--port={self.port}", "--bind-address=127.0.0.1", f"--socket={self.folder / 'socket'}",
            f"--init-file={self.folder / 'start.sql'}", "--skip-name-resolve",
            "--innodb-flush-log-at-trx-commit=2", "--default-time-zone=+05:30",
        ]  # fmt: skip

    def quoted(self, name: str) -> str:
        """Return a name as SQL has it."""
        return f"`{name}`"

    def reader(self, *hidden: str) -> str:
        """Return the URL for a user who may read all tables but some, and write none."""
        with self.cursor() as cursor:
            cursor.execute("SHOW TABLES")
            tables = {row[0] for row in cursor.fetchall()} - set(hidden)
        self.execute(
            f"CREATE OR REPLACE USER reader@'127.0.0.1' IDENTIFIED BY '{SECRET}'",
            *(f"GRANT SELECT ON tom.{table} TO reader@'127.0.0.1'" for table in tables),
        )
        return self.url("reader")

    def advance(self, table: str, last: int) -> str:
        """Return what makes the next PK follow this one."""
        return f"ALTER TABLE `{table}` AUTO_INCREMENT = {last + 1}"


@contextmanager
def running(kind: Callable[[Path, int], OldServer]) -> Iterator[OldServer]:
    """Yield a server, which is killed afterwards; skip the test where it cannot be had."""
    folder = Path(tempfile.mkdtemp(prefix="heliograph-old-"))
    server = kind(folder, _free_port())
    try:
        if os.geteuid() == 0:
            try:
                pwd.getpwnam(server.user_here)
            except KeyError:
                pytest.skip(f"there is no user {server.user_here} here, and root runs no database")
            shutil.chown(folder, server.user_here, server.user_here)
        server.install()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
