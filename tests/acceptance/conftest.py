"""`python -m server` in a process of its own, started, stopped and killed for real."""

from __future__ import annotations

import asyncio
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.integration.conftest import PIPELINES, SAMPLES, Client

START_SECONDS = 40
STOP_SECONDS = 30


@dataclass
class ServerProcess:
    """A server's OS process and what it has printed."""

    process: subprocess.Popen[str]
    _printed: list[str] = field(default_factory=list)
    _lines: queue.Queue[str | None] = field(default_factory=queue.Queue)
    _reader: threading.Thread = field(init=False)

    def __post_init__(self) -> None:
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._printed.append(line)
            self._lines.put(line)
        self._lines.put(None)

    @property
    def printed(self) -> list[str]:
        """The lines so far; once it has ended, all of them, which may come after its status."""
        if self.process.poll() is not None:
            self._reader.join(STOP_SECONDS)
        return self._printed

    async def said(self, *words: str) -> str:
        """Return the first line with all these words once it is there: lines follow answers."""
        async with asyncio.timeout(STOP_SECONDS):
            while True:
                for line in list(self._printed):
                    if all(word in line for word in words):
                        return line
                await asyncio.sleep(0.02)

    def close(self) -> None:
        """Kill it, and read its output to the end, which comes once its children are gone too."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def client(self) -> Client:
        """Return a client once the server is ready."""
        while (line := self._lines.get(timeout=START_SECONDS)) is not None:
            if "ready at" in line:
                return Client(line.split()[-1].rstrip("/"))
        raise AssertionError("the server ended:\n" + "".join(self.printed))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server alone."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the exit status."""
        self.send(number)
        return self.process.wait(STOP_SECONDS)


@dataclass
class Servers:
    """The servers that a test starts on one data folder."""

    folder: Path
    started: list[ServerProcess] = field(default_factory=list)

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    def start(self, *options: str, environment: dict[str, str] | None = None) -> ServerProcess:
        """Start a server with the sample pipelines and short leases."""
        config = SAMPLES / "config.yml"
        command = [sys.executable, "-m", "server", "--config", str(config), "--port", "0"]
        process = subprocess.Popen(
            [*command, "--data", str(self.data), *options],
            cwd=Path(__file__).parent.parent.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | (environment or {}),
        )
        self.started.append(ServerProcess(process))
        return self.started[-1]


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[Servers]:
    """Yield a data folder and the servers that a test starts on it; close them all afterwards."""
    made = Servers(tmp_path)
    yield made
    for server in made.started:
        server.close()


Start = Callable[..., ServerProcess]
__all__ = ["PIPELINES", "ServerProcess", "Servers", "Start", "servers"]
