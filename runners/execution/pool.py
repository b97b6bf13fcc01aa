"""The in-process executor pool: starts each run as a fresh child of a warm template process.

It knows OS processes and signals. What the messages mean is left to its callers, and what the child
does to `runners.execution.worker`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from runners.confinement.environment import inherited
from runners.confinement.multiprocess import (
    keep_socket_in,
    speak_to_nobody_else,
    start_child,
    start_programs_with,
    with_template,
)
from runners.execution import worker
from runners.execution.exits import exit_in_words
from runners.execution.pipes import Pipe, Reader, open_pipes, present_bytes

log = logging.getLogger(__name__)

#: Imported once by the template, so that no run pays for them. Never an author's module.
WARM_MODULES = [
    "runners.execution.template",
    "runners.execution.worker",
    "numpy",
    "astropy.io.fits",
    "astropy.visualization",
]
#: How much of the first child's standard error is kept.
STDERR_BYTES = 4096
#: How much of its last line is quoted.
QUOTED_CHARACTERS = 300
#: How long a template that closed its socket may take to end.
TEMPLATE_END_SECONDS = 5.0
LOOK_SECONDS = 0.01
#: How long a killed run may take to be gone.
KILLED_SECONDS = 5.0
#: How often the template is looked at while nothing is started.
WATCH_SECONDS = 0.5
#: The pauses before a template that died is started again; the last one is repeated.
RESTART_SECONDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0)


class WarmUpFailed(Exception):
    """The first child cannot import what every run needs, so no run could start.

    The message says how it ended and quotes the last line that it wrote to standard error.
    """

    def __init__(self, ending: str, stderr: str = "") -> None:
        last_line = stderr.strip().rpartition("\n")[2][:QUOTED_CHARACTERS]
        super().__init__(f"{ending}: {last_line}" if last_line else ending)
        self.stderr = stderr


class Run:
    """A started child: its pipes to read, its end to wait for, its group to signal."""

    def __init__(
        self, process: ForkServerProcess, readers: dict[str, Reader], control: int
    ) -> None:
        self._process = process
        self._control = control
        self.readers = readers
        self.pid: int = process.pid or 0
        self._gone = False
        #: whether the template was gone, so that the child's exit code is unknown
        self.orphaned = False
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(process.sentinel, self._on_end)

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self.orphaned = present_bytes(self._process.sentinel) == 0
        self._process.join()
        code = self._process.exitcode
        if not self._ended.done():
            self._ended.set_result(255 if code is None else code)

    async def wait(self) -> int:
        """Wait for the child's end and return its exit code, negative for a signal."""
        return await asyncio.shield(self._ended)

    @property
    def ended(self) -> bool:
        """Whether the child has ended."""
        return self._ended.done()

    def ask(self) -> None:
        """Ask the pipeline to stop at its next `check_cancelled`."""
        with contextlib.suppress(OSError):
            os.write(self._control, worker.CANCEL)

    def keep_alive(self) -> None:
        """Give the sign of life without which a run with `silence_seconds` ends itself."""
        os.set_blocking(self._control, False)  # a stopped run does not read
        with contextlib.suppress(OSError):
            os.write(self._control, worker.ALIVE)

    def signal_group(self, number: signal.Signals) -> bool:
        """Send a signal to the child and its group; return False if no process is left in it."""
        if self._gone:  # another group may have its number by now
            return False
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            self._gone = self.ended
            # Between fork and setsid there is no such group yet, only the child.
            return self._signal_child(number)
        except PermissionError:  # raised by macOS for a group of zombies
            return False
        return True

    def kill(self) -> None:
        """Kill the child and its group at once."""
        self.signal_group(signal.SIGKILL)

    def _signal_child(self, number: signal.Signals) -> bool:
        if self.ended:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)
            return True
        return False

    def close(self) -> None:
        """Close the descriptors."""
        for reader in self.readers.values():
            reader.close()
        if self._control >= 0:
            os.close(self._control)
            self._control = -1
        if not self._ended.done():
            asyncio.get_running_loop().remove_reader(self._process.sentinel)
        with contextlib.suppress(ValueError):
            self._process.close()


class _Start:
    """A start of a child by the thread that starts them, which nothing interrupts.

    Nobody may want the child any more by the time it is there. Then it leaves neither a process
    nor a pipe, whoever is cancelled meanwhile, and how often.
    """

    def __init__(self, process: ForkServerProcess, pipes: Sequence[Pipe]) -> None:
        self._process = process
        self._pipes = pipes
        self._lock = threading.Lock()
        self._started = False
        self._unwanted = False

    def __call__(self) -> None:
        """Start the child, and end it if it is not wanted any more."""
        try:
            start_child(self._process)
        except BaseException:
            self._close_ours()
            raise
        finally:
            self._close_theirs()
        with self._lock:
            self._started = True
            unwanted = self._unwanted
        if unwanted:
            self._undo()

    async def give_up(self, starting: asyncio.Future[None]) -> None:
        """Have the child ended. It is gone when this returns."""
        with self._lock:
            self._unwanted = True
            started = self._started
        if starting.cancelled():  # before it began, as the pool was closed
            self.close()
        elif started:
            await asyncio.to_thread(self._undo)
        else:
            await asyncio.wait([starting])

    def close(self) -> None:
        """Close the pipes of a start that never began."""
        self._close_ours()
        self._close_theirs()

    def _undo(self) -> None:
        self._process.kill()
        self._process.join(KILLED_SECONDS)
        self._close_ours()

    def _close_ours(self) -> None:
        for pipe in self._pipes:
            os.close(pipe.ours)

    def _close_theirs(self) -> None:
        for pipe in self._pipes:
            pipe.theirs.close()


class Pool:
    """Starts runs. `workers` is how many may run at once, which the dispatcher heeds.

    The template, and so each run, has this `environment`, by default that of the server without
    what looks like a secret. Its socket is in the folder `sockets`, if given, where no confined run
    can take its place.
    """

    def __init__(
        self,
        workers: int,
        environment: Mapping[str, str] | None = None,
        sockets: Path | None = None,
    ) -> None:
        self.workers = workers
        self._sockets = sockets
        self._environment = inherited(os.environ) if environment is None else environment
        self._context = multiprocessing.get_context("forkserver")
        # Starting a process blocks, and the template's own start is not safe from two threads.
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="starter")
        self._watcher: asyncio.Task[None] | None = None
        #: whether the template could not be started again
        self._without_template = False
        #: how often the template had to be started again
        self.restarts = 0

    async def start(self) -> None:
        """Start the template and wait until it is warm.

        :raises WarmUpFailed: a first child, which imports what every run needs, fails.
        """
        self._context.set_forkserver_preload(WARM_MODULES)
        start_programs_with(self._environment)
        speak_to_nobody_else()
        if self._sockets is not None:
            await asyncio.to_thread(keep_socket_in, self._sockets)
        try:
            await self._import_in_child(WARM_MODULES)
        except (EOFError, OSError):
            await self._explain_dead_template()
        self._watcher = asyncio.create_task(self._watch_template())

    @property
    def template_pid(self) -> int | None:
        """The PID of the template, the parent of all runs; None if it is not known."""
        return _template_pid()

    def problem(self) -> str | None:
        """Return why no run can be started at this moment, in a sentence, or None."""
        if self._without_template:
            return "The process that starts the runs cannot be started; it is being tried again"
        code = _template_exit_code()
        if code is None:
            return None
        ending = exit_in_words(code)
        return f"The process that starts the runs ended with {ending}; it is being restarted"

    async def launch(self, entry: Callable[..., None], *arguments: Any) -> Run:
        """Start a child that calls `entry(*arguments, messages, out, err, control)`."""
        pipes, control = open_pipes()
        ends = [pipe.theirs for pipe in (*pipes.values(), control)]
        process = self._context.Process(target=entry, args=(*arguments, *ends), daemon=False)
        start = _Start(process, [*pipes.values(), control])
        try:
            starting = asyncio.get_running_loop().run_in_executor(self._starter, start)
        except RuntimeError:  # the pool is closed
            start.close()
            raise
        try:
            await asyncio.shield(starting)
        except BaseException:
            await start.give_up(starting)
            raise
        self._without_template = False
        return Run(process, {name: Reader(pipe.ours) for name, pipe in pipes.items()}, control.ours)

    def close(self) -> None:
        """Start no more runs. The template ends by itself when the server does."""
        if self._watcher is not None:
            self._watcher.cancel()
        self._starter.shutdown(wait=False, cancel_futures=True)

    async def _watch_template(self) -> None:
        """Start the template again whenever it has died while no run was started."""
        deaths, template = 0, _template_pid()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            if (now := _template_pid()) != template:  # a launch may have restarted it, too
                template, self.restarts = now, self.restarts + 1
            if (problem := self.problem()) is None:
                deaths = 0
                continue
            log.warning("%s", problem, extra={"action": "template_ended"})
            await asyncio.sleep(RESTART_SECONDS[min(deaths, len(RESTART_SECONDS) - 1)])
            deaths += 1
            await self._restart_template()

    async def _restart_template(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._starter, with_template, forkserver.ensure_running)
            self._without_template = False
        except OSError as error:  # no more processes or files, say
            self._without_template = True
            log.warning(
                "The process that starts the runs could not be started: %s",
                error,
                extra={"action": "template_restart_failed"},
            )

    async def _import_in_child(self, modules: Sequence[str]) -> None:
        """Import modules in a first child, at no cost if the template has them already."""
        run = await self.launch(_import_all, list(modules))
        try:
            stderr = await run.readers["err"].read_end(STDERR_BYTES)
            code = await run.wait()
        finally:
            run.close()
        if code:
            text = stderr.decode(errors="replace")
            log.error("The first child failed:\n%s", text, extra={"action": "warm_up_failed"})
            raise WarmUpFailed(f"the first child ended with {exit_in_words(code)}", text)

    async def _explain_dead_template(self) -> None:
        """Raise WarmUpFailed for a template that died while it imported its modules.

        Its standard error is the server's, so the modules are imported again where it can be read:
        by a child of a template that imports nothing.
        """
        code = await _wait_for_template_end()
        self._context.set_forkserver_preload([])
        with contextlib.suppress(EOFError, OSError):
            await self._import_in_child(WARM_MODULES)
        ending = "could not be started" if code is None else f"ended with {exit_in_words(code)}"
        raise WarmUpFailed(f"the process that starts the runs {ending}")


async def _wait_for_template_end() -> int | None:
    for _ in range(round(TEMPLATE_END_SECONDS / LOOK_SECONDS)):
        if (code := _template_exit_code()) is not None:
            return code
        await asyncio.sleep(LOOK_SECONDS)
    return None


def _template_pid() -> int | None:
    pid: int | None = getattr(getattr(forkserver, "_forkserver", None), "_forkserver_pid", None)
    return pid


def _template_exit_code() -> int | None:
    """Return the exit code of the template, None while it runs and where that cannot be known.

    It is multiprocessing's child, which reaps it when it starts the next process.
    """
    pid = _template_pid()
    if pid is None or not hasattr(os, "waitid"):  # as on macOS
        return None
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:  # just reaped, as its successor is starting
        return None
    if ended is None:
        return None
    return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def _import_all(modules: list[str], *ends: Connection) -> None:
    """Import modules, in the first child; its standard error goes to the server."""
    os.dup2(ends[2].fileno(), 2)
    for name in modules:
        importlib.import_module(name)
