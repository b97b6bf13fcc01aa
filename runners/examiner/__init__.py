"""A child process that examines untrusted files, so that the server need not open them.

Metadata, headers and previews are made off the event loop, within limits on time and memory. A file
that hangs or kills the child costs one answer, never the server: a new child takes over. How files
are read is left to `child`, to `runners.fits` and to `runners.imaging`. Another child computes what
the sky is like, so that no astronomy is in the server's memory or on its event loop. Requests and
answers are JSON, one object per line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

from runners.confinement.environment import inherited
from runners.confinement.wording import in_words
from runners.execution.exits import exit_in_words

log = logging.getLogger(__name__)

#: How long an answer may take, in the child's own time and as seen from the server.
ANSWER_SECONDS = 10.0
#: How long a new child may take to import its libraries.
START_SECONDS = 30.0
#: How long a request may wait for those before it.
QUEUE_SECONDS = 60.0
#: The pause before another child is started after one that did not get ready.
RESTART_SECONDS = 10.0
ANSWER_BYTES = 2**20


#: A child that ends when it is not needed does so after this time.
IDLE_SECONDS = 600.0


class UnsuitableRequest(ValueError):
    """A request that the file cannot answer, for the value of one `field` of it."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class ExaminationError(ValueError):
    """A file could not be examined this time, which says nothing about the file: try again later.

    The message is a sentence for people.
    """


class Examiner:
    """Answers one request at a time; the others wait, up to `QUEUE_SECONDS`.

    Of the subjects, the child imports at once what it needs for its own: "files", "views", "sky" or
    "periods". One that `abandons` kills its child when nobody waits for the answer any more.
    With `idle_seconds` its child ends when nothing was asked for so long; the next request, or
    `expect`, starts another one.

    All requests raise ExaminationError if the child dies or takes too long.
    """

    def __init__(
        self,
        answer_seconds: float = ANSWER_SECONDS,
        environment: Mapping[str, str] | None = None,
        idle_seconds: float | None = None,
        subject: str = "files",
        abandons: bool = False,
    ) -> None:
        self._abandons = abandons
        self._subject = subject
        self._environment = inherited(os.environ) if environment is None else environment
        self._answer_seconds = answer_seconds
        self._child: asyncio.subprocess.Process | None = None
        self._ready: asyncio.Task[dict[str, Any]] | None = None
        self._problem: str | None = None
        self._turn = asyncio.Lock()
        self._exchanges: set[asyncio.Task[dict[str, Any]]] = set()
        self._keepers: set[asyncio.Task[None]] = set()
        self._closed = False
        self._idle_seconds = idle_seconds
        self._idle: asyncio.TimerHandle | None = None
        #: how many children were started
        self.starts = 0

    async def start(self) -> None:
        """Start the child unless there is one; it imports its libraries after this returns."""
        async with self._turn:
            if self._child is None and not self._closed:
                await self._spawn()

    def expect(self) -> None:
        """Start the child in the background unless there is one, as requests are about to come."""
        if self._child is None and not self._closed:
            self._keep(self._started())
        self._put_off_end()

    async def _started(self) -> None:
        with contextlib.suppress(OSError):  # the request that comes finds out
            await self.start()

    def problem(self) -> str | None:
        """Return why no file can be examined at this moment, in a sentence, or None."""
        return self._problem

    async def metadata(self, path: str | Path) -> dict[str, Any] | None:
        """Return what `fits_metadata` finds in a file, None if it is not a legible FITS file.

        :raises ExaminationError: it could not be examined, so that it may be either.
        """
        answer = await self._ask(path, {"metadata": str(path)})
        if "error" in answer:
            raise ExaminationError(answer["error"])
        metadata: dict[str, Any] | None = answer["metadata"]
        return metadata

    async def headers(self, path: str | Path) -> dict[str, Any]:
        """Return what `fits_headers` finds in a file. Raise ValueError with a sentence."""
        answer = await self._ask(path, {"headers": str(path)})
        if "error" in answer:
            raise ValueError(answer["error"])
        headers: dict[str, Any] = answer["headers"]
        return headers

    async def preview(
        self, path: str | Path, out_path: str | Path, size: int, stretch: str = "asinh"
    ) -> None:
        """Write a preview as `preview_png` does. Raise ValueError with a sentence."""
        answer = await self._ask(path, {"preview": [str(path), str(out_path), size, stretch]})
        if "error" in answer:
            raise ValueError(answer["error"])

    async def table(self, path: str | Path, out_path: str | Path, hdu: int | None = None) -> None:
        """Write a table as `table_csv` does. Raise ValueError with a sentence."""
        answer = await self._ask(path, {"table": [str(path), str(out_path), hdu]})
        if "error" in answer:
            raise ValueError(answer["error"])

    async def description(
        self, path: str | Path, out_path: str | Path, hdu: int | None, plane: int
    ) -> None:
        """Write what a viewer has to know of an image as `write_description` does.

        Raise UnsuitableRequest, or ValueError with a sentence if there is no image.
        """
        _raise(await self._ask(path, {"description": [str(path), str(out_path), hdu, plane]}))

    async def window(
        self, path: str | Path, out_path: str | Path, window: Mapping[str, Any]
    ) -> None:
        """Write a window of an image, a `Window` by its fields, as `write_window` does.

        Raise UnsuitableRequest, or ValueError with a sentence if there is no image.
        """
        _raise(await self._ask(path, {"window": [str(path), str(out_path), dict(window)]}))

    async def light_curve(
        self, path: str | Path, out_path: str | Path, most_points: int, strict: bool = False
    ) -> None:
        """Write a table and its light curve as `table_json` does. Raise ValueError likewise."""
        answer = await self._ask(
            path, {"light_curve": [str(path), str(out_path), most_points, strict]}
        )
        if "error" in answer:
            raise ValueError(answer["error"])

    async def sky(
        self, site: Mapping[str, float], ra: float, dec: float, start: float, end: float
    ) -> dict[str, Any]:
        """Return a target's night at a site as `sky_of_night` does; of the subject "sky" only."""
        night = {"site": dict(site), "ra": ra, "dec": dec, "start": start, "end": end}
        answer = await self._ask("The sky", {"sky": night})
        sky: dict[str, Any] = answer["sky"]
        return sky

    async def periodogram(
        self, path: str | Path, out_path: str | Path, wanted: Mapping[str, Any]
    ) -> None:
        """Write the periodogram of a light curve as `write_periodogram` does.

        Raise UnsuitableRequest, of "detail" where no one value is at fault.
        """
        _raise(await self._ask(path, {"periodogram": [str(path), str(out_path), dict(wanted)]}))

    async def close(self) -> None:
        """End the child. Requests that are waiting raise ExaminationError."""
        self._closed = True
        if self._idle is not None:
            self._idle.cancel()
        await self._kill()
        async with self._turn:  # which comes after all that wait
            await self._kill()
        for keeper in self._keepers:
            keeper.cancel()
        if self._keepers:
            await asyncio.wait(self._keepers)

    async def _ask(self, path: str | Path, request: dict[str, Any]) -> dict[str, Any]:
        self._put_off_end()
        await self._take_turn()
        if self._abandons:
            return await self._exchange(path, request)
        # The asker may go away, but the answer must be read all the same: hence the shield.
        exchange = asyncio.create_task(self._exchange(path, request))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)
        return await asyncio.shield(exchange)

    async def _take_turn(self) -> None:
        """Wait for the requests that came before; who goes away meanwhile has asked nothing."""
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            message = "Too many files are waiting to be examined"
            raise ExaminationError(message) from error

    async def _exchange(self, path: str | Path, request: dict[str, Any]) -> dict[str, Any]:
        """Ask the child and return its answer. The turn has been taken, and is given back."""
        try:
            return await self._answer(request)
        except TimeoutError as error:
            await self._give_up(path)
            raise ExaminationError("Examining the file took too long") from error
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            await self._give_up(path)
            raise ExaminationError("The file could not be examined") from error
        except asyncio.CancelledError:
            await self._kill()  # what it does is for nobody now; the next request starts another
            raise
        finally:
            self._turn.release()

    def _put_off_end(self) -> None:
        """Let the child end after a time without requests from now on."""
        if self._idle_seconds is None or self._closed:
            return
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._idle_seconds, lambda: self._keep(self._end()))

    async def _end(self) -> None:
        async with self._turn:
            await self._kill()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        child = await self._ready_child()
        assert child.stdin is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")
        await child.stdin.drain()
        return await _line(child, self._answer_seconds)

    async def _ready_child(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise EOFError
        if self._child is None or self._child.returncode is not None:
            await self._kill()
            await self._spawn()
        assert self._child is not None
        assert self._ready is not None
        await asyncio.shield(self._ready)
        return self._child

    async def _give_up(self, path: str | Path) -> None:
        """Replace the child that did not answer."""
        ending = await self._kill()
        if not self._closed:
            log.warning(
                "%s could not be examined, and the child ended with %s",
                path,
                ending,
                extra={"action": "examination_failed"},
            )
            self._keep(self._restart(0))

    async def _spawn(self) -> None:
        self._child = child = await _start_child(self._environment, self._subject)
        self.starts += 1
        self._ready = ready = asyncio.create_task(_line(child, START_SECONDS))
        # Retrieves its error, as perhaps no request waits for it.
        ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._keep(self._watch(child, ready))
        self._keep(_log_messages(child))

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        keeper = asyncio.create_task(work)
        self._keepers.add(keeper)
        keeper.add_done_callback(self._keepers.discard)

    async def _watch(
        self, child: asyncio.subprocess.Process, ready: asyncio.Task[dict[str, Any]]
    ) -> None:
        """Replace a child that ends by itself, after a pause if it never got ready."""
        await asyncio.wait({ready})
        was_ready = ready.exception() is None
        if was_ready:
            self._problem = None
            await child.wait()
        async with self._turn:
            if child is not self._child:  # the last request has replaced it
                return
            ending = await self._kill()
        self._problem = f"The process that examines files ended with {ending}"
        log.warning("%s", self._problem, extra={"action": "examiner_ended"})
        await self._restart(0 if was_ready else RESTART_SECONDS)

    async def _restart(self, pause_seconds: float) -> None:
        """Start a child, trying until there is one."""
        while True:
            await asyncio.sleep(pause_seconds)
            try:
                return await self.start()
            except OSError as error:
                self._problem = (
                    f"The process that examines files cannot be started: {in_words(error)}"
                )
                pause_seconds = RESTART_SECONDS

    async def _kill(self) -> str:
        """Kill the child if there is one, and return how it ended, in words."""
        child, self._child = self._child, None
        if child is None:
            return "no exit code"
        # It leads a session of its own, so that what it has started is killed too.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        return exit_in_words(await child.wait())


async def _start_child(environment: Mapping[str, str], subject: str) -> asyncio.subprocess.Process:
    # -P: no module in the server's working directory is imported in place of ours.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "runners.examiner", subject,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, start_new_session=True, limit=ANSWER_BYTES,
        env=_with_import_path(environment),
    )  # fmt: skip


async def _log_messages(child: asyncio.subprocess.Process) -> None:
    """Make records of what the child and its libraries write to standard error, to its end."""
    assert child.stderr is not None
    while True:
        try:
            line = await child.stderr.readline()
        except ValueError:  # a line over the reader's limit, which it has dropped
            continue
        if not line:
            return
        message = line.decode("utf-8", "replace").rstrip()
        log.warning("Examiner: %s", message, extra={"action": "examiner_message"})


def _raise(answer: dict[str, Any]) -> None:
    """Raise the error of an answer, if it is one."""
    if "field" in answer:
        raise UnsuitableRequest(answer["field"], answer["error"])
    if "error" in answer:
        raise ValueError(answer["error"])


def _with_import_path(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment that leads to the same packages, in a source checkout to this one."""
    root = Path(__file__).resolve().parents[2]
    paths = [os.environ.get("PYTHONPATH", "")]
    if root.name not in ("site-packages", "dist-packages"):
        paths.insert(0, str(root))
    found = os.pathsep.join(filter(None, paths))
    return {**environment, "PYTHONPATH": found} if found else dict(environment)


async def _line(child: asyncio.subprocess.Process, limit_seconds: float) -> dict[str, Any]:
    assert child.stdout is not None
    async with asyncio.timeout(limit_seconds):
        line = await child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    answer: dict[str, Any] = json.loads(line)
    return answer
