"""A real Dask cluster for tests: a scheduler and workers on 127.0.0.1, each an OS process."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil

from server.config.sections import Runner

ROOT = Path(__file__).parents[2]
START_SECONDS = 30.0


class DaskCluster:
    """A scheduler and its workers, whose files and logs are in one folder."""

    def __init__(
        self,
        folder: Path,
        options: Sequence[str] = (),
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self._options = list(options)
        #: the scheduler's, and what its command begins with
        self.host, self._prefix = host, list(prefix)
        self._environment = environment or {}
        self.workers: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.protocol = "tls" if options else "tcp"
        self.scheduler = self.start_scheduler()

    @property
    def address(self) -> str:
        """The scheduler's address."""
        return f"{self.protocol}://{self.host}:{self.port}"

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start a scheduler, at the same address each time."""
        where = ("--host", f"{self.protocol}://{self.host}", "--port", str(self.port))
        self.scheduler = self._start("scheduler", *where, "--no-dashboard", prefix=self._prefix)
        return self.scheduler

    def add_worker(
        self,
        threads: int = 2,
        *options: str,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        scheduler: str | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a worker, which finds the scheduler at its address or at another one."""
        folder = self.folder / f"worker-{len(self.workers)}"
        worker = self._start(
            "worker",
            scheduler or self.address,
            *("--host", f"{self.protocol}://{host}", "--nthreads", str(threads)),
            *("--no-nanny", "--no-dashboard", "--local-directory", str(folder), *options),
            prefix=prefix,
        )
        self.workers.append(worker)
        return worker

    def _start(
        self, kind: str, *options: str, prefix: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        with (self.folder / f"{kind}-{time.monotonic_ns()}.log").open("wb") as log:
            return subprocess.Popen(
                [*prefix, sys.executable, "-m", "dask", kind, *options, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={
                    **os.environ,
                    "PYTHONPATH": path,
                    "PYTHONWARNINGS": "",
                    **self._environment,
                },
            )

    def agents(self, worker: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Return the agents of a worker."""
        return [
            child
            for child in psutil.Process(worker.pid).children()
            if any("supervision.remote.agent" in part for part in child.cmdline())
        ]

    def logs(self) -> str:
        """Return all logs."""
        return "\n".join(
            f"== {path.name}\n{path.read_text(errors='replace')}"
            for path in sorted(self.folder.glob("*.log"))
        )

    def stop(self) -> None:
        """End all processes."""
        for process in [*self.workers, self.scheduler]:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
        for process in [*self.workers, self.scheduler]:
            process.wait(START_SECONDS)


@cache
def dask_runner() -> Runner:
    """Return the configuration for a cluster that lasts as long as this process."""
    folder = Path(tempfile.mkdtemp(prefix="dask-"))
    cluster = DaskCluster(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(cluster.stop)
    cluster.add_worker(4)
    return Runner(type="dask", address=cluster.address, silence_seconds=2.5)


@contextmanager
def dask_cluster(
    folder: Path, workers: int = 2, threads: int = 2, options: Sequence[str] = ()
) -> Iterator[DaskCluster]:
    """Run a cluster until the block is left."""
    cluster = DaskCluster(folder, options)
    try:
        for _ in range(workers):
            cluster.add_worker(threads)
        yield cluster
    finally:
        cluster.stop()
