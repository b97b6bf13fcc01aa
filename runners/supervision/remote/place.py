"""What a Dask task is: the place of a run. It hands a ticket to the worker's agent, and waits.

The task says nothing of how the run ended; that the server hears over the run's own connection.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import msgspec

from runners.supervision.remote.authentication import Ticket

#: How long a new agent may take until it heeds its first ticket, and any until it heeds another.
START_SECONDS = 60.0
ANSWER_SECONDS = 10.0
_ROOT = str(Path(__file__).resolve().parents[3])
_PROGRAM = "import sys; from runners.supervision.remote.agent import main; main(sys.argv[1])"


class AgentEnded(RuntimeError):
    """The agent has ended, and so have its runs."""


class _Agent:
    """The agent's OS process as the worker's threads see it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), _ROOT]))
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, str(folder)],  # not from where the worker stands
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,  # a Ctrl-C is the worker's to heed
        )
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[threading.Event, list[str | None]]] = {}
        #: by number: set when the agent has taken the ticket
        self._taken: dict[int, threading.Event] = {}
        self._heard = False
        self.ended = False
        threading.Thread(target=self._read, name="agent", daemon=True).start()

    def carry_out(self, ticket: Ticket) -> str | None:
        """Have a ticket's run carried out; return what went wrong, None if nothing did.

        An agent that does not heed the ticket in time, as it was stopped, say, is killed.
        """
        done, answer, taken = threading.Event(), list[str | None](), threading.Event()
        with self._lock:
            if self.ended:
                raise AgentEnded
            number = next(self._numbers)
            self._waiting[number] = (done, answer)
            self._taken[number] = taken
            line = msgspec.json.encode({"number": number, "ticket": ticket}) + b"\n"
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(line)
                self._process.stdin.flush()
            except OSError as error:
                raise AgentEnded from error
        if not taken.wait(ANSWER_SECONDS if self._heard else START_SECONDS):
            self._process.kill()
        done.wait()
        if not answer:
            raise AgentEnded
        return answer[0]

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            answer: dict[str, Any] = msgspec.json.decode(line)
            self._heard = True
            if answer.get("taken"):
                self._taken.pop(answer["number"]).set()
                continue
            with self._lock:
                done, place = self._waiting.pop(answer["number"])
            place.append(answer["problem"])
            done.set()
        self._process.wait()
        with self._lock:
            self.ended = True
            left, self._waiting = list(self._waiting.values()), {}
        for taken in list(self._taken.values()):
            taken.set()
        for done, _ in left:
            done.set()


_agents: dict[str, _Agent] = {}
_starting = threading.Lock()


def carry_out(ticket: Ticket) -> str | None:
    """Carry out a ticket's run here; the function of the Dask task.

    Return what went wrong with its connection, for the log of whoever looks at the task.
    """
    return _agent().carry_out(ticket)


def _agent() -> _Agent:
    folder = _folder()
    with _starting:
        found = _agents.get(str(folder))
        if found is None or found.ended:
            found = _agents[str(folder)] = _Agent(folder)
        return found


def _folder() -> Path:
    """Return the folder of this worker's agent, in the worker's own, which Dask clears."""
    with contextlib.suppress(ImportError, ValueError):
        from distributed import get_worker

        return Path(get_worker().local_directory) / "heliograph"
    return Path(tempfile.gettempdir()) / f"heliograph-{os.getpid()}"
