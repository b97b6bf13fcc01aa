"""The files to open in order to follow a process from its POST to its end.

    python -m benchmarks.files_of_a_run

Starts a server in this process and runs the pipeline Dummy on one file. Every call between the POST
and the end of the record is traced, in all threads, with the file it comes from. A file is opened
if the way leads on from it into another one; a file that only answers (a leaf) is understood from
its name, and so are three self-contained packages: `handlers/http`, `server/store` and
`server/core`. All files are printed, those to open with a star. The child's side is in
`runners/execution/worker.py`.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.requests import make_target, submit
from benchmarks.serving import forget_main
from server.app.server import Server
from server.config import Config
from server.config.sections import Http

ROOT = Path(__file__).parent.parent
#: Packages that one need not enter to follow a process.
APART = ("handlers/http", "server/store", "server/core")


class Trace:
    """The project's files in which functions were called, and which file called which."""

    def __init__(self) -> None:
        self.functions: dict[Path, set[str]] = defaultdict(set)
        self.calls: set[tuple[Path, Path]] = set()

    def note(self, frame: FrameType, event: str, _argument: Any) -> None:
        """Record a call; for `sys.setprofile`."""
        if event != "call" or (called := of_the_project(frame)) is None:
            return
        self.functions[called].add(frame.f_code.co_qualname)
        caller = frame.f_back
        while caller is not None and of_the_project(caller) is None:
            caller = caller.f_back
        if caller is not None:
            self.calls.add((of_the_project(caller) or called, called))

    def to_open(self) -> list[Path]:
        """Return the files from which the way leads on."""
        ways = [(one, other) for one, other in self.calls if one != other]
        return sorted(
            {one for one, _ in ways if not any(one.is_relative_to(each) for each in APART)}
        )


@contextmanager
def traced() -> Iterator[Trace]:
    """Trace what is called in this thread and in new ones."""
    trace = Trace()
    threading.setprofile(trace.note)
    sys.setprofile(trace.note)
    try:
        yield trace
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@cache
def file_of(name: str) -> Path | None:
    """Return where a file lies in the project, None when it is not part of it."""
    path = Path(name)
    if not path.is_relative_to(ROOT):
        return None
    path = path.relative_to(ROOT)
    return path if path.parts[0] in ("server", "handlers", "runners") else None


def of_the_project(frame: FrameType) -> Path | None:
    """Return the file of a frame, None when it is not part of the project."""
    return file_of(frame.f_code.co_filename)


async def follow() -> Trace:
    """Run a pipeline once, and trace it."""
    with tempfile.TemporaryDirectory() as folder:
        config = Config(http=Http(port=0), data=Path(folder))
        async with Server(config) as server:
            await server.start()
            target, products = await asyncio.to_thread(make_target, server.port, "M 13")
            await asyncio.sleep(1)  # for the work that an upload leaves behind
            with traced() as trace:
                pk = await asyncio.to_thread(submit, server.port, "Dummy", target, products)
                await until_ended(server, pk)
    return trace


async def until_ended(server: Server, pk: int) -> None:
    """Wait for the end of a process without asking by HTTP, which would be traced too."""
    assert server.services is not None
    async with asyncio.timeout(30):
        while not (await server.services.processes.get(pk)).state.ended:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def main() -> None:
    """Print the files, and how many there are."""
    forget_main()
    trace = asyncio.run(follow())
    to_open = trace.to_open()
    for path in sorted(trace.functions):
        print("*" if path in to_open else " ", path)
    print(f"{len(to_open)} files to open, of {len(trace.functions)} in which something is called")


if __name__ == "__main__":
    main()
