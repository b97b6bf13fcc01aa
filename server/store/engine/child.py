"""The embedded engine's own process: MongoDB's wire protocol over SQLite, on a Unix socket.

Run as a script by `supervisor.py`, so it imports nothing of this project. It ends at the end of
file on its standard input, that is with its server, however the server ends. It ignores signals
that a whole process group or control group gets: the server has to finish its writes first.

    python child.py <folder of the database files> <path of the socket>

Its standard output is one line: `ready`, `locked <pid>` when another engine has the database, or
`damaged <file>` when that is no sound SQLite database.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import math
import os
import signal
import socket as sockets
import sqlite3
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nx_27017.handler
from neosqlite.collection import Collection
from neosqlite.collection.query_helper.update_operations import UpdateOperationsMixin
from nx_27017.server import handle_client

LOCK_WAIT_SECONDS = 5.0
#: How long serving waits for the examination of the files, which then goes on beside it.
CHECK_SECONDS = 0.2
#: How often it looks whether the files can be smaller. Pages that were free at so many looks in a
#: row are given back, but for some that the next writes will need.
LOOK_SECONDS = 1.0
SETTLED_LOOKS = 5
SPARE_PAGES = 64
#: Pages given back at a time (some 5 ms), after which others have their turn.
PAGES_A_STEP = 250
#: From which size on the write-ahead log is cut: while hardly anything is written, which is so many
#: rows from one look to the next, and at any time.
FEW_CHANGES = 50
IDLE_LOG_BYTES = 256 * 1024
BUSY_LOG_BYTES = 16 * 1024**2
_WRITES = frozenset({"insert", "findAndModify", "update", "delete"})
_OUT_OF_DISK_SPACE = 14031
#: The shortest time between two reports of connections that were refused.
REPORT_SECONDS = 60.0
#: From <linux/prctl.h>.
_PR_SET_DUMPABLE = 4

#: The error that the package hides from its client, by thread.
_swallowed = threading.local()

Message = dict[str, Any]
Answer = tuple[int, dict[str, Any]]


class Handler(nx_27017.handler.NeoSQLiteHandler):  # type: ignore[misc]  # it has no types
    """The package's handler, with one transaction for each command that writes.

    The package makes one for each document, so that an `insert_many` is slow, since each waits for
    the disk, and can stop half-way; for an upsert it makes two.
    """

    def handle_insert(self, msg: Message) -> Answer:
        """Answer an insert."""
        return self._one_transaction(msg, super().handle_insert)

    def handle_command(self, msg: Message) -> Answer:
        """Answer any other command; one that failed is answered by its error."""
        command = _command(msg)
        if not _WRITES & command.keys():
            answer: Answer = super().handle_command(msg)
            return answer
        _swallowed.error = None
        answer = self._one_transaction(msg, super().handle_command)
        return (answer[0], _failure(_swallowed.error)) if _swallowed.error else answer

    def finish(self) -> None:
        """Wait for the commands under way, then close all files."""
        with contextlib.ExitStack() as held:
            for name in list(self.databases):
                held.enter_context(self._lock_for(name))
            self.close_all()

    def _one_transaction(self, msg: Message, work: Callable[[Message], Answer]) -> Answer:
        command = _command(msg)
        name = command.get("$db", "test")
        with self._lock_for(name):
            database = self.get_database(name)
            # Durability cannot be set within the transaction.
            self._apply_write_concern(database, name, command.get("writeConcern"))
            try:
                return self._transact(database, msg, work)
            except sqlite3.Error as error:
                failure = _failure(error)
                if failure["code"] == _OUT_OF_DISK_SPACE:
                    _make_room(database)
                return msg["request_id"], failure

    def _transact(self, database: Any, msg: Message, work: Callable[[Message], Answer]) -> Answer:
        database.db.execute("BEGIN")
        try:
            answer = work(msg)
            database.db.execute("COMMIT")  # fails if a full disk has ended the transaction
            return answer
        finally:
            if database.db.in_transaction:
                database.db.execute("ROLLBACK")

    def file_of(self, name: str) -> Path:
        """Return the file of a database."""
        return Path(self._db_file(name))

    def lock_of(self, name: str) -> Any:
        """Return the lock that each command on a database holds."""
        return self._lock_for(name)


def _make_room(database: Any) -> None:
    """Move what is in the log beside the database into it; then a write may be tried again.

    Not here: the package changes a message while it works on it.
    """
    with contextlib.suppress(sqlite3.Error):
        database.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


class Shrinking:
    """Gives what was deleted back to the disk, in steps short enough not to hold others up."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        #: by database: its free pages at the last looks, and its changes at the last one
        self._free: dict[str, deque[int]] = {}
        self._changes: dict[str, int] = {}
        #: the databases whose files are longer than they need to be until the log is cut
        self._longer: set[str] = set()

    def run(self) -> None:
        """Look again and again, for as long as the process lives."""
        while True:
            time.sleep(LOOK_SECONDS)
            for name, database in list(self._handler.databases.items()):
                with contextlib.suppress(sqlite3.Error, OSError):  # full, or closed by now
                    self.look(name, database.db)

    def look(self, name: str, connection: sqlite3.Connection) -> None:
        """Give back what has been free for some looks, and cut the write-ahead log."""
        with self._handler.lock_of(name):
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        looks = self._free.setdefault(name, deque(maxlen=SETTLED_LOOKS))
        looks.append(free)
        spare = min(looks) - SPARE_PAGES if len(looks) == SETTLED_LOOKS else 0
        if spare > 0:
            self._give_back(name, connection, spare)
            self._longer.add(name)
            looks.clear()
        idle = connection.total_changes - self._changes.get(name, 0) <= FEW_CHANGES
        self._changes[name] = connection.total_changes
        limit_bytes = IDLE_LOG_BYTES if idle else BUSY_LOG_BYTES
        self._cut_log(name, connection, 0 if name in self._longer else limit_bytes)

    def _give_back(self, name: str, connection: sqlite3.Connection, pages: int) -> None:
        while pages > 0:
            began = time.monotonic()
            with self._handler.lock_of(name):
                # Not by `execute`, which takes a single step of it: one page.
                step = min(pages, PAGES_A_STEP)
                connection.executescript(f"PRAGMA incremental_vacuum({step})")
            pages -= step
            # Others get the database for as long as this step took.
            time.sleep(time.monotonic() - began)

    def _cut_log(self, name: str, connection: sqlite3.Connection, limit_bytes: int) -> None:
        """Move what is in the write-ahead log into the database, which shrinks only then."""
        file = self._handler.file_of(name)
        if file.with_name(f"{file.name}-wal").stat().st_size > limit_bytes:
            with self._handler.lock_of(name):
                (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                self._longer.discard(name)


def _command(msg: Message) -> dict[str, Any]:
    bodies = (document for kind, document in msg["sections"] if kind == "body")
    return next(bodies, None) or {}


def _failure(error: Exception) -> dict[str, Any]:
    facts = nx_27017.handler._bulk_write_error(error, 0)
    full = "no transaction is active" in facts["errmsg"] or "disk is full" in facts["errmsg"]
    code = _OUT_OF_DISK_SPACE if full else facts["code"]
    return {"ok": 0, "errmsg": facts["errmsg"], "code": code}


def _report_failures() -> None:
    """Make a failed findAndModify an error, as it is on MongoDB.

    The package answers as if nothing had matched, which a run whose write meets a full disk would
    take for the loss of its lease.
    """
    update = Collection.find_one_and_update

    def find_one_and_update(self: Collection, *args: Any, **options: Any) -> Any:
        try:
            return update(self, *args, **options)
        except Exception as error:
            _swallowed.error = error
            raise

    Collection.find_one_and_update = find_one_and_update


def _keep_values_exact() -> None:
    """Have changes made in Python.

    In SQL, a float that is set loses its last two digits, and a boolean becomes a number.
    """
    UpdateOperationsMixin._can_use_sql_updates = lambda *args: False


def _lock(path: Path) -> None:
    """Hold the database for as long as this process lives, or say who does and exit."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_WAIT_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                _say(f"locked {os.pread(descriptor, 32, 0).decode('ascii', 'replace').strip()}")
                sys.exit(1)
            time.sleep(0.02)
    # In this order it needs no room on a full disk.
    written = os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    os.ftruncate(descriptor, written)


def _check(folder: Path) -> None:
    """Exit if a database is damaged; of a large one, that is found out while it is served."""
    damaged: list[str] = []
    served = threading.Event()

    def examine() -> None:
        for path in sorted(folder.glob("*.db")):
            if _is_damaged(path):
                damaged.append(path.name)
                if served.is_set():
                    sys.stderr.write(f"The database is damaged ({path.name}): restore a backup\n")
                    sys.stderr.flush()

    examination = threading.Thread(target=examine, daemon=True)
    examination.start()
    examination.join(CHECK_SECONDS)
    served.set()
    if damaged:
        _say(f"damaged {damaged[0]}")
        sys.exit(1)


def _is_damaged(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(path)) as database:
        try:
            (found,) = database.execute("PRAGMA quick_check(1)").fetchone()
            return bool(found != "ok")
        except sqlite3.OperationalError:  # it cannot be read now, which serving will show
            return False
        except sqlite3.DatabaseError:
            return True


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while await reader.read(1024):
        pass


class Gate:
    """Lets only one process connect, and reports others, but not each of a flood of them."""

    def __init__(self, admitted: int) -> None:
        self._admitted = admitted
        self._refused = 0
        self._reported = -math.inf

    def admits(self, connection: Any) -> bool:
        """Return whether a connection comes from the process that is admitted."""
        peer = _peer(connection)
        if peer in (self._admitted, None):
            return True
        self._refused += 1
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            more = f" ({self._refused} since the last report)" if self._refused > 1 else ""
            self._refused = 0
            sys.stderr.write(
                f"A connection of process {peer}, which is not the server, was refused{more}\n"
            )
            sys.stderr.flush()
        return False


class GuardedProtocol(asyncio.StreamReaderProtocol):
    """Hangs up on whoever is not admitted before anything is read."""

    def __init__(self, gate: Gate, client: Callable[..., Any]) -> None:
        super().__init__(asyncio.StreamReader(), client)
        self._gate = gate

    def connection_made(self, transport: Any) -> None:
        """Serve a connection, or close it."""
        if self._gate.admits(transport.get_extra_info("socket")):
            super().connection_made(transport)
        else:
            transport.abort()


def _peer(connection: Any) -> int | None:
    """Return the PID of who connected, as the system noted it; None where it does not."""
    try:
        if sys.platform == "linux":
            packed = connection.getsockopt(sockets.SOL_SOCKET, sockets.SO_PEERCRED, 12)
            return int(struct.unpack("3i", packed)[0])
        if sys.platform == "darwin":  # SOL_LOCAL, LOCAL_PEERPID
            return int(struct.unpack("i", connection.getsockopt(0, 2, 4))[0])
    except OSError:
        return -1  # gone already
    return None


def _hide_memory() -> None:
    """Keep other processes of the user out of the records in memory, and of the open files."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


async def _serve(folder: Path, socket: Path, gate: Gate) -> None:
    handler = Handler(data_dir=str(folder))
    threading.Thread(target=Shrinking(handler).run, daemon=True).start()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await handle_client(reader, writer, handler)

    server = await asyncio.get_running_loop().create_unix_server(
        lambda: GuardedProtocol(gate, client), socket, backlog=512
    )
    _say("ready")
    await _end_of_input()
    server.close()
    handler.finish()
    # Open connections would delay the end of asyncio and its threads, and everything is on disk.
    _tidy(folder, socket)
    os._exit(0)


def _tidy(folder: Path, socket: Path) -> None:
    socket.unlink(missing_ok=True)
    if socket.parent != folder:
        with contextlib.suppress(OSError):
            socket.parent.rmdir()


def main(folder: Path, socket: Path) -> None:
    """Serve the process that started this one, until the end of the standard input."""
    gate = Gate(os.getppid())
    _hide_memory()
    os.umask(0o077)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _lock(folder / "engine.lock")
    _check(folder)
    _report_failures()
    _keep_values_exact()
    socket.unlink(missing_ok=True)
    asyncio.run(_serve(folder, socket, gate))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
