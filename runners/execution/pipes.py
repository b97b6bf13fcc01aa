"""The pipes between the server and a run, read and written without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import termios
from dataclasses import dataclass
from multiprocessing.connection import Connection

PIPE_BYTES = 262_144
READ_BYTES = 131_072
_SET_PIPE_SIZE = getattr(fcntl, "F_SETPIPE_SZ", None)


class Reader:
    """The server's end of a pipe. Unread bytes stay in the pipe and hold the writer back."""

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    async def read(self) -> bytes:
        """Return the next bytes, at most `READ_BYTES`; empty at the end."""
        while True:
            try:
                return os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                await self._readable()

    async def read_end(self, limit: int) -> bytes:
        """Read to the end and return the last bytes, at most `limit`."""
        kept = b""
        while piece := await self.read():
            kept = (kept + piece)[-limit:]
        return kept

    def read_present(self, limit: int) -> bytes:
        """Return what is in the pipe now, at most `limit` bytes."""
        with contextlib.suppress(BlockingIOError):
            return os.read(self._descriptor, min(limit, READ_BYTES))
        return b""

    def present_bytes(self) -> int:
        """Return how many bytes are in the pipe."""
        return present_bytes(self._descriptor)

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = loop.create_future()

        def wake() -> None:
            if not ready.done():
                ready.set_result(None)

        loop.add_reader(self._descriptor, wake)
        try:
            await ready
        finally:
            if self._descriptor >= 0:
                loop.remove_reader(self._descriptor)

    def close(self) -> None:
        """Close the pipe."""
        if self._descriptor >= 0:
            # Its number may soon be another's, which would not be watched then.
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


def present_bytes(descriptor: int) -> int:
    """Return how many bytes can be read from a descriptor at once."""
    answer = fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4))
    return int.from_bytes(answer, sys.byteorder)


@dataclass
class Pipe:
    """The two ends of a new pipe: a descriptor for the server, a connection for the child."""

    ours: int
    theirs: Connection

    @classmethod
    def reading(cls) -> Pipe:
        """Make a pipe that the server reads, as large as the system allows up to `PIPE_BYTES`."""
        ours, theirs = os.pipe()
        if _SET_PIPE_SIZE is not None:
            with contextlib.suppress(OSError):
                fcntl.fcntl(ours, _SET_PIPE_SIZE, PIPE_BYTES)
        return cls(ours, Connection(theirs, readable=False))

    @classmethod
    def writing(cls) -> Pipe:
        """Make a pipe that the server writes."""
        theirs, ours = os.pipe()
        return cls(ours, Connection(theirs, writable=False))


def open_pipes() -> tuple[dict[str, Pipe], Pipe]:
    """Open the pipes of a run: those that are read, and its control. All or none."""
    opened: list[Pipe] = []
    names = ("messages", "out", "err")
    try:
        for make in (*[Pipe.reading] * len(names), Pipe.writing):
            opened.append(make())
    except OSError:  # too many open files
        for pipe in opened:
            os.close(pipe.ours)
            pipe.theirs.close()
        raise
    return dict(zip(names, opened, strict=False)), opened[-1]
