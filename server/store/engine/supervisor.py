"""Starts the embedded database engine as a child process and keeps it running.

What it serves, and how it ends with its server, is in `child.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from server.core.disk.data_folder import DataFolder
from server.core.errors import StartError

log = logging.getLogger(__name__)

#: What fits into a socket's address on every system: 107 bytes on Linux, 103 on macOS.
SOCKET_PATH_BYTES = 103
#: How long the engine may take to start: over 10 s were seen on a machine with ten times the work
#: that it has processors for.
START_SECONDS = 60.0
STOP_SECONDS = 10.0
_BACK_OFF_SECONDS = (0.0, 0.2, 1.0, 5.0)
#: After a child has lived this long, failures are counted anew.
_STEADY_SECONDS = 10.0
_CHILD = Path(__file__).with_name("child.py")


class Engine:
    """The embedded engine of one data folder."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._messages: asyncio.Task[None] | None = None
        self._folder = Path()
        self._socket = Path()
        self._last_message = ""
        #: how often the child had to be started again
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """The child's process id, None before the start."""
        return None if self._process is None else self._process.pid

    def size_bytes(self) -> int:
        """Return what the database takes on its disk. Blocks briefly."""
        sizes = 0
        for file in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # a journal comes and goes
                sizes += file.stat().st_size
        return sizes

    async def start(self, data_folder: DataFolder) -> str:
        """Start the engine and return the MongoDB URI of its socket.

        :raises StartError: it did not start; names the holder if another engine has the files.
        """
        self._folder = data_folder.database
        self._socket = _socket_path(self._folder)
        await self._spawn()
        self._supervisor = asyncio.create_task(self._supervise(), name="engine supervisor")
        return f"mongodb://{quote(str(self._socket), safe='')}"

    async def stop(self) -> None:
        """Let the engine finish its work, and wait for its end."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._end_child()

    async def _spawn(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(_CHILD), str(self._folder), str(self._socket)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        self._messages = asyncio.create_task(
            self._log_messages(self._process), name="engine messages"
        )
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                report = (await self._process.stdout.readline()).decode("utf-8", "replace").split()
        except TimeoutError:
            report = []
        if report != ["ready"]:
            await self._end_child()
            raise StartError(self._why_not_ready(report))

    def _why_not_ready(self, report: list[str]) -> str:
        if report[:1] == ["locked"]:
            return (
                f"Another database engine (pid {' '.join(report[1:])}) uses {self._folder}: "
                "stop it, or choose another data folder with --data"
            )
        if report[:1] == ["damaged"]:
            return (
                f"The database in {self._folder} is damaged ({' '.join(report[1:])}): restore the "
                "newest backup of the data folder, or recover what can be read with "
                "`sqlite3 FILE .recover`, and keep the damaged file until then"
            )
        why = self._last_message or "it does not answer"
        return f"The embedded database engine did not start in {self._folder}: {why}"

    async def _supervise(self) -> None:
        failures = 0
        while True:
            assert self._process is not None
            born = time.monotonic()
            status = await self._process.wait()
            steady = time.monotonic() - born > _STEADY_SECONDS
            failures = 0 if steady else min(failures + 1, len(_BACK_OFF_SECONDS) - 1)
            log.error(
                "The database engine ended (exit status %s), starting it again",
                status,
                extra={"action": "engine_ended", "exit_status": status},
            )
            await asyncio.sleep(_BACK_OFF_SECONDS[0 if steady else failures - 1])
            try:
                await self._spawn()
                self.restarts += 1
            except (OSError, StartError) as error:
                log.error(
                    "The database engine did not start: %s",
                    error,
                    extra={"action": "engine_start_failed"},
                )

    async def _log_messages(self, process: asyncio.subprocess.Process) -> None:
        assert process.stderr is not None
        self._last_message = ""
        while True:
            try:
                line = await process.stderr.readline()
            except ValueError:  # a line over the reader's limit, which it has dropped
                continue
            if not line:
                return
            message = line.decode("utf-8", "replace").rstrip()
            self._last_message = message.strip() or self._last_message
            log.warning("Database engine: %s", message, extra={"action": "engine_message"})

    async def _end_child(self) -> None:
        process, messages = self._process, self._messages
        if process is None or process.stdin is None or messages is None:
            return
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            log.error(
                "The database engine does not end and is killed", extra={"action": "engine_killed"}
            )
            process.kill()
            await process.wait()
        await messages


def _socket_path(folder: Path) -> Path:
    """Return a path in the database's folder, or in a private temporary one if it is too long."""
    path = folder / "engine.sock"
    if len(str(path).encode()) <= SOCKET_PATH_BYTES:
        return path
    return Path(tempfile.mkdtemp(prefix="heliograph-")) / "engine.sock"
