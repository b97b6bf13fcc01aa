"""A run on another machine, as the server that claimed it sees it: the peer of `AgentRun`.

When the connection breaks, the run counts as lost only after the time in which its agent, or the
run by itself, has certainly ended it: so no two attempts run at the same time.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import msgspec

from runners.execution.worker import RunSpec
from runners.supervision.remote.file_transfer import send_file
from runners.supervision.remote.wire import (
    FIRST_FILE,
    MESSAGES,
    PIPE_NAMES,
    PIPES,
    WINDOW_BYTES,
    Wire,
    WireBroken,
    decoded,
)
from runners.supervision.resource_usage import Usage
from server.archive.outputs import OutputFile
from server.core.errors import DamagedFile, HeliographError
from server.core.records import DataProduct
from server.execution.places.place import PipeReader, RunLost, SentOutput

log = logging.getLogger(__name__)

#: Beyond the silence after which a run is ended, for the killing.
MARGIN_SECONDS = 3.0
#: Room is given back in pieces of this size.
ROOM_BYTES = WINDOW_BYTES // 4
PICTURE_SECONDS = 5.0
LOST = "Lost: the connection to the worker that ran it ended"
WORKER_LOST = "Lost: the worker that ran it stopped"


class NotStarted(HeliographError):
    """The worker could not start the run; the sentence says why."""


class RemoteReader:
    """A run's pipe: what has arrived and was not read yet is within the agent's window."""

    def __init__(self, give_room: Callable[[int], None]) -> None:
        self._pieces: deque[bytes] = deque()
        self._size_bytes = 0
        self._ended = False
        self._news = asyncio.Event()
        self._give_room = give_room

    def feed(self, data: bytes) -> None:
        """Take the next bytes; empty data ends the pipe. Raise WireBroken beyond the window."""
        if not data:
            self._ended = True
        elif self._size_bytes > 2 * WINDOW_BYTES:
            raise WireBroken("the agent sends more than there is room for")
        else:
            self._pieces.append(data)
            self._size_bytes += len(data)
        self._news.set()

    async def read(self) -> bytes:
        """Return the next bytes; empty at the end."""
        while not self._pieces:
            if self._ended:
                return b""
            self._news.clear()
            await self._news.wait()
        return self._take()

    def read_present(self, limit: int) -> bytes:
        """Return what is there now, at most `limit` bytes."""
        if not self._pieces:
            return b""
        first = self._pieces[0]
        if len(first) <= limit:
            return self._take()
        self._pieces[0] = first[limit:]
        self._size_bytes -= limit
        return first[:limit]

    def present_bytes(self) -> int:
        """Return how many bytes are there now."""
        return self._size_bytes

    def _take(self) -> bytes:
        data = self._pieces.popleft()
        self._size_bytes -= len(data)
        self._give_room(len(data))
        return data


class RemoteRun:
    """A run whose agent is connected."""

    def __init__(
        self,
        wire: Wire,
        facts: Mapping[str, Any],
        folder: Path,
        silence_seconds: float,
        input_path: Callable[[int], Awaitable[tuple[DataProduct, Path]]],
    ) -> None:
        loop = asyncio.get_running_loop()
        self._wire = wire
        self._folder = folder
        self._silence_seconds = silence_seconds
        self._input_path = input_path
        self._input_error: Exception | None = None
        #: the names of the inputs that were sent
        self._sent: dict[int, str] = {}
        self.facts = facts
        self.orphaned = False
        self.lost: str | None = None
        self._readers = {
            name: RemoteReader(functools.partial(self._give_room, name)) for name in PIPES
        }
        self._room = dict.fromkeys(PIPES, 0)
        self._started: asyncio.Future[None] = loop.create_future()
        self._ended: asyncio.Future[int] = loop.create_future()
        self._out_of_memory = False
        #: set when nothing of the run is left and everything that it said has arrived
        self._over = asyncio.Event()
        self._report: dict[str, Any] = {}
        self._usage: tuple[float, int] | None = None
        self._measured = asyncio.Event()
        self._channels = itertools.count(FIRST_FILE)
        self._files: dict[int, tuple[IO[bytes], asyncio.Future[str | None]]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._held: contextlib.AsyncExitStack | None = None

    async def start(self, spec: RunSpec, environment: Sequence[str] | None) -> None:
        """Have the agent start the run, with these variables of its environment if given.

        :raises NotStarted: it could not.
        :raises RunLost: the connection ended.
        """
        silence_seconds = self._silence_seconds
        await self._send("run", spec=spec, environment=environment, silence_seconds=silence_seconds)
        self._begin(self._receive())
        self._begin(self._wire.keep_alive(self._silence_seconds))
        await asyncio.shield(self._started)

    def on_release(self, held: contextlib.AsyncExitStack) -> None:
        """Have this given up when the run is released; which calls `release` itself."""
        self._held = held

    @property
    def readers(self) -> Mapping[str, PipeReader]:
        """The pipes `messages`, `out` and `err`."""
        return self._readers

    async def wait(self) -> int:
        """Wait for the child's end and return its exit code, negative for a signal."""
        return await asyncio.shield(self._ended)

    def was_out_of_memory(self, code: int) -> bool:
        """Return whether the kernel killed processes there while the run lasted."""
        return self._out_of_memory

    async def measure(self, usage: Usage) -> None:
        """Keep the usage up to date, until cancelled."""
        while True:
            await self._measured.wait()
            self._measured.clear()
            self._take_usage(usage)

    async def sample(self, usage: Usage) -> None:
        """Take what the agent reported last; it takes another sample before it ends the run."""
        self._take_usage(usage)

    async def terminate(self) -> None:
        """End the run by the ladder, which the agent walks."""
        await self._try_to_send("terminate")
        await self.wait()

    async def kill(self) -> None:
        """Kill what is left of the run's process group; all that it said has arrived then."""
        if not self._over.is_set():
            await self._try_to_send("kill")
            await self._over.wait()

    def close(self) -> None:
        """Do nothing: the connection is needed for the outputs, until `release`."""

    async def picture(self, frame: int | None = None) -> bytes | None:
        """Return the picture that the run shows of its work, or a frame of its film, if any."""
        place = self._folder / f"picture-{secrets.token_hex(4)}"
        try:
            async with asyncio.timeout(PICTURE_SECONDS):
                if frame is None:
                    await self._fetch_to(place, "picture")
                else:
                    await self._fetch_to(place, "frame", number=frame)
            return await asyncio.to_thread(place.read_bytes) or None
        except (RunLost, TimeoutError, OSError):
            return None
        finally:
            place.unlink(missing_ok=True)

    async def escaped(
        self, usage: Usage, parent: int | None, pk: int, identifier: str
    ) -> dict[int, str]:
        """Return the PIDs and names of processes on the worker's machine that outlive the run."""
        self._take_usage(usage)
        return dict(msgspec.convert(self._report.get("escaped", []), list[tuple[int, str]]))

    async def examine_inputs(
        self, inputs: Sequence[DataProduct]
    ) -> tuple[list[tuple[str, str]], set[int]]:
        """Return what the run did to its copies, by name; every input's checksum was compared."""
        changes = msgspec.convert(self._report.get("changes", []), list[tuple[str, str]])
        return changes, {product.pk for product in inputs}

    async def fetch(
        self, outputs: Sequence[SentOutput], within: Sequence[str] | None
    ) -> list[OutputFile]:
        """Return the outputs, brought to this machine. Raise RunLost or ValueError."""
        files = []
        for number, each in enumerate(outputs):
            place = self._folder / "received" / str(number) / Path(each.path).name
            await asyncio.to_thread(place.parent.mkdir, 0o700, True, True)
            problem = await self._fetch_to(place, "get", path=each.path, within=within)
            if problem is not None:
                raise ValueError(f"{each.name} {problem}")
            files.append(each.stored_at(place))
        return files

    async def release(self) -> None:
        """Let the agent forget the run, and close the connection. May be repeated."""
        held, self._held = self._held, None
        if held is not None:
            await held.aclose()
            return
        self._wire.post("bye")
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._wire.close()
        self._end_all(None)

    # Sending

    async def _send(self, kind: str, **fields: Any) -> None:
        try:
            await self._wire.send(kind, **fields)
        except WireBroken as error:
            raise RunLost(LOST) from error

    async def _try_to_send(self, kind: str) -> None:
        with contextlib.suppress(RunLost):  # `_receive` finds out as well
            await self._send(kind)

    def _give_room(self, name: str, count: int) -> None:
        self._room[name] += count
        if self._room[name] >= ROOM_BYTES:
            self._wire.post("room", pipe=name, bytes=self._room[name])
            self._room[name] = 0

    async def _fetch_to(self, place: Path, kind: str, **fields: Any) -> str | None:
        """Write what the agent sends to a new file; return its problem. Raise RunLost, OSError."""
        if self.lost is not None:
            raise RunLost(self.lost)
        channel = next(self._channels)
        done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        file = await asyncio.to_thread(place.open, "wb")
        self._files[channel] = (file, done)
        try:
            await self._send(kind, channel=channel, **fields)
            return await done
        finally:
            del self._files[channel]
            await asyncio.to_thread(file.close)

    async def _send_input(self, pk: int, channel: int) -> None:
        try:
            product, path = await self._input_path(pk)
        except Exception as error:
            self._input_error = error
            await self._wire.send("sent", channel=channel, problem="is missing")
            return
        self._sent[pk] = product.name
        problem = await send_file(self._wire, channel, path, follow=False)
        if problem is not None:
            self._input_error = DamagedFile(product.name, f"it {problem}")

    # Receiving

    def _begin(self, work: Any) -> None:
        async def guarded() -> None:
            try:
                await work
            except WireBroken:
                self._wire.abort()

        task = asyncio.create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self) -> None:
        """Take what the agent says until the connection ends."""
        why = LOST
        try:
            while True:
                channel, data = await self._wire.receive()
                if channel in PIPE_NAMES:
                    self._readers[PIPE_NAMES[channel]].feed(data)
                elif channel != MESSAGES:
                    await self._write(channel, data)
                elif (message := decoded(data))["kind"] == "gone":
                    why = WORKER_LOST
                    break
                else:
                    self._heed(message)
        except (WireBroken, msgspec.ValidationError, TypeError, ValueError) as error:
            log.warning("A worker's connection ended: %s", error, extra={"action": "agent_lost"})
        self._wire.abort()
        if why is LOST and not self._over.is_set():
            # It may have been started although its agent could not say so any more.
            await asyncio.sleep(self._silence_seconds + MARGIN_SECONDS)
        self._end_all(why)

    def _end_all(self, why: str | None) -> None:
        """Let nobody wait any longer for what will not come."""
        self.lost = self.lost or why
        error = RunLost(why or LOST)
        waiting: list[asyncio.Future[Any]] = [self._started]
        for future in waiting + [done for _, done in self._files.values()]:
            if not future.done():
                future.set_exception(error)
                future.exception()  # nobody may be waiting
        if not self._ended.done():
            self._ended.set_result(255)
        for reader in self._readers.values():
            reader.feed(b"")
        self._over.set()

    def _heed(self, message: dict[str, Any]) -> None:
        match message:
            case {"kind": "alive"}:
                pass
            case {"kind": "usage", "cpu": float(cpu), "rss": int(rss)}:
                self._usage = (cpu, rss)
                self._measured.set()
            case {"kind": "need", "input": int(pk), "channel": int(channel)}:
                self._begin(self._send_input(pk, channel))
            case {"kind": "sent", "channel": int(channel)}:
                if (found := self._files.get(channel)) and not found[1].done():
                    found[1].set_result(message.get("problem"))
            case {"kind": "started"} if not self._started.done():
                self._started.set_result(None)
            case {"kind": "failed", "damaged": int(pk)} if not self._started.done():
                name = self._sent.get(pk, "an input")
                error = DamagedFile(name, "its content has another checksum")
                self._started.set_exception(error)
            case {"kind": "failed", "reason": str(reason)} if not self._started.done():
                self._started.set_exception(self._input_error or NotStarted(reason))
            case {"kind": "ended", "code": int(code)} if not self._ended.done():
                self.orphaned = message.get("orphaned") is True
                self._out_of_memory = message.get("oom_kills") is True
                self._ended.set_result(code)
            case {"kind": "over"}:
                self._report = message
                if isinstance(message.get("cpu"), float) and isinstance(message.get("rss"), int):
                    self._usage = (message["cpu"], message["rss"])
                self._over.set()

    async def _write(self, channel: int, data: bytes) -> None:
        """Write a piece of a file. The next frame is taken after that: it holds the agent back."""
        if (found := self._files.get(channel)) is None or found[1].done():
            return
        try:
            await asyncio.to_thread(found[0].write, data)
        except (OSError, ValueError) as error:
            if not found[1].done():
                found[1].set_exception(error)

    def _take_usage(self, usage: Usage) -> None:
        if self._usage is not None:
            usage.take(*self._usage)
