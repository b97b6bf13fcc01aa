"""A child process that looks into files nobody vouches for, so that the server need not.

Facts, headers and previews are made off the loop, within a limit on time and memory. A file that
hangs or kills the child costs an answer, never the server: the next request gets a new child.
What is looked for is left to `facts`, `headers` and `preview`. They speak JSON, one object a line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path
from typing import IO, Any

#: What an answer may take, in the child's own time and as seen from the server.
ANSWER_SECONDS = 10.0
#: What a new child may take to import its libraries.
START_SECONDS = 30.0
#: What a request may wait for those before it.
QUEUE_SECONDS = 60.0
ADDRESS_SPACE_BYTES = 4 * 2**30
ANSWER_BYTES = 2**20


class Examiner:
    """Answers one request at a time; the rest wait, though not for ever."""

    def __init__(self, answer_seconds: float = ANSWER_SECONDS) -> None:
        self._answer_seconds = answer_seconds
        self._child: asyncio.subprocess.Process | None = None
        self._ready = False
        self._turn = asyncio.Lock()
        self._exchanges: set[asyncio.Task[dict[str, Any]]] = set()
        self._closed = False

    async def start(self) -> None:
        """Start the child; it gets ready on its own while others go on."""
        async with self._turn:
            if self._child is None and not self._closed:
                self._child = await _spawn()

    async def metadata(self, path: str | Path) -> dict[str, Any] | None:
        """What `fits_metadata` tells of a file; None too when it did not get to."""
        answer = await self._ask({"facts": str(path)})
        metadata: dict[str, Any] | None = answer.get("facts")
        return metadata

    async def headers(self, path: str | Path) -> dict[str, Any]:
        """What `runners.fits.headers.fits_headers` gives. Raises ValueError with a sentence."""
        answer = await self._ask({"headers": str(path)})
        if "error" in answer:
            raise ValueError(answer["error"])
        found: dict[str, Any] = answer["headers"]
        return found

    async def preview(
        self, path: str | Path, out_path: str | Path, size: int, stretch: str = "asinh"
    ) -> None:
        """Write a picture as `runners.imaging.preview.preview_png` does.

        Raises ValueError, with a sentence for people, when there can be none.
        """
        answer = await self._ask({"preview": [str(path), str(out_path), size, stretch]})
        if "error" in answer:
            raise ValueError(answer["error"])

    async def close(self) -> None:
        """End the child. Requests that are waiting are answered as if it had died."""
        self._closed = True
        await self._drop()
        async with self._turn:  # which comes after those who wait
            await self._drop()

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        # Whoever asked may go away, but the answer must be read all the same: hence the shield.
        exchange = asyncio.create_task(self._exchange(request))
        self._exchanges.add(exchange)
        exchange.add_done_callback(self._exchanges.discard)
        return await asyncio.shield(exchange)

    async def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(QUEUE_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            return {"error": "Too many files are waiting to be looked at, try again later"}
        try:
            return await self._answer(request)
        except TimeoutError:
            await self._drop()
            return {"error": "Looking at the file took too long"}
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            await self._drop()
            return {"error": "The file could not be looked at"}
        finally:
            self._turn.release()

    async def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        child = await self._ready_child()
        assert child.stdin is not None
        child.stdin.write(json.dumps(request).encode() + b"\n")
        await child.stdin.drain()
        return await _line(child, self._answer_seconds)

    async def _ready_child(self) -> asyncio.subprocess.Process:
        if self._child is not None and self._child.returncode is not None:
            await self._drop()
        if self._closed:
            raise EOFError
        if self._child is None:
            self._child = await _spawn()
        if not self._ready:
            await _line(self._child, START_SECONDS)
            self._ready = True
        return self._child

    async def _drop(self) -> None:
        child, self._child, self._ready = self._child, None, False
        if child is not None:
            # It leads a session of its own, so nothing that it started is left either.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()


async def _spawn() -> asyncio.subprocess.Process:
    # -P: a module that lies in the server's working directory is not imported instead of ours.
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-m", "runners.examiner",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        start_new_session=True, limit=ANSWER_BYTES, env=_environment(),
    )  # fmt: skip


def _environment() -> dict[str, str]:
    """The server's, and in a source checkout the place where this package is."""
    environment, root = dict(os.environ), Path(__file__).resolve().parent.parent
    if root.name not in ("site-packages", "dist-packages"):
        paths = [str(root), environment.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    return environment


async def _line(child: asyncio.subprocess.Process, limit_seconds: float) -> dict[str, Any]:
    assert child.stdout is not None
    async with asyncio.timeout(limit_seconds):
        line = await child.stdout.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    answer: dict[str, Any] = json.loads(line)
    return answer


def main() -> None:
    """The child: answer requests until standard input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Answers go where standard output went; what libraries print must not get among them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Say that the libraries are there, then answer each line of `requests`."""
    from runners.fits import headers, metadata
    from runners.imaging import preview

    def answer(request: dict[str, Any]) -> dict[str, Any]:
        if "facts" in request:
            return {"facts": metadata.fits_metadata(request["facts"])}
        try:
            if "headers" in request:
                return {"headers": headers.fits_headers(request["headers"])}
            preview.preview_png(*request["preview"])
        except (ValueError, OSError, MemoryError) as error:
            return {"error": str(error) or "The file needs more memory than there is"}
        return {}

    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in requests:
        # Should the server die meanwhile, a request that hangs must end all the same.
        signal.setitimer(signal.ITIMER_REAL, 2 * ANSWER_SECONDS)
        print(json.dumps(answer(json.loads(line))), file=answers, flush=True)
        signal.setitimer(signal.ITIMER_REAL, 0)


if __name__ == "__main__":
    main()
