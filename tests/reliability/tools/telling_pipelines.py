"""Pipelines that number their lines, so that the log shows whether all of them are there.

Each logs `line 1 of n` to `line n of n`. Imported by the children of runs only.
"""

from __future__ import annotations

import fcntl
import hashlib
import multiprocessing
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from multiprocessing.context import ForkProcess
from pathlib import Path
from typing import IO, ClassVar

from runners import AsyncError, PipelineOutput, PipelineProcess

#: What `Reads` reads before it waits.
HALF_BYTES = 24 << 20
#: The variable that names the folder of locks, and what a run logs that finds its lock held.
LOCKS, NOT_ALONE = "TELLING_LOCKS", "another attempt of this run is still going on"


class Telling(PipelineProcess):
    """Logs its lines."""

    lines = 5
    _lock: IO[str] | None = None

    def tell(self) -> None:
        """Log all of them."""
        self.check_alone()
        for number in range(1, self.lines + 1):
            self.log(f"line {number} of {self.lines}")

    def check_alone(self) -> None:
        """Log so if another OS process of the same run is going on.

        Only where a folder for locks is named: on the workers of a cluster.
        """
        if (folder := os.environ.get(LOCKS)) and self._lock is None:
            self._lock = (Path(folder) / self.identifier).open("w")
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self.log(NOT_ALONE)


class Quick(Telling):
    """Logs a few lines."""

    short_name = "quick"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.tell()


class Makes(Telling):
    """Logs a few lines, reports its progress and makes two files and three measurements."""

    short_name = "makes"
    flags: ClassVar = {"slow": {"default": False, "long_name": "Take some time"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path | PipelineOutput]:
        with self.update_status("Making"):
            self.tell()
            for number in (1, 2):
                if flags["slow"]:
                    time.sleep(0.2)
                path = tmpdir / f"{number}.txt"
                path.write_text(f"{number} of {self.identifier}\n")
                self.progress(number, 2)
                yield path
            table = tmpdir / "table.csv"
            table.write_text("time,magnitude\n60000,14.5\n60001,14.6\n60002,14.4\n")
            yield PipelineOutput(table, "ReducedDatum")


class Bulks(Telling):
    """Makes a file of 4 MiB."""

    short_name = "bulks"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> list[Path]:
        self.tell()
        path = tmpdir / "bulk.bin"
        path.write_bytes(bytes(4 << 20))
        return [path]


class Holds(Telling):
    """Makes a file of 4 MiB once there is no file `hold` above its folder."""

    short_name = "holds"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> list[Path]:
        with self.update_status("Holding"):
            while any((up / "hold").exists() for up in tmpdir.parents):
                self.check_cancelled()
                time.sleep(0.01)
        path = tmpdir / "held.bin"
        path.write_bytes(bytes(4 << 20))
        return [path]


class Fails(Telling):
    """Logs a few lines, then fails."""

    short_name = "fails"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.tell()
        raise AsyncError("The stars were not right")


class Floods(Telling):
    """Logs a great deal."""

    short_name = "floods"
    lines = 3000

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.tell()


class Pours(Floods):
    """Logs 10,000 lines."""

    short_name = "pours"
    lines = 10_000


class Lasts(Telling):
    """Logs forty lines in four seconds, and makes a file of 4 MiB."""

    short_name = "lasts"
    lines = 40

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> list[Path]:
        self.check_alone()
        for number in range(1, self.lines + 1):
            self.log(f"line {number} of {self.lines}")
            self.check_cancelled()
            time.sleep(0.1)
        path = tmpdir / "lasting.bin"
        path.write_bytes(bytes(4 << 20))
        return [path]


class Spills(Telling):
    """Makes thirty files."""

    short_name = "spills"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path]:
        self.tell()
        for number in range(30):
            path = tmpdir / f"{number}.txt"
            path.write_text(f"{number} of {self.identifier}\n")
            yield path


class Streams(Telling):
    """Logs 100,000 lines, or a million; rests half-way while a file `hold` is above its folder."""

    short_name = "streams"
    flags: ClassVar = {"million": {"default": False, "long_name": "Log a million lines"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        count = 1_000_000 if flags["million"] else 100_000
        for number in range(1, count + 1):
            self.log(f"line {number} of {count}")
            if number % 2_000 == 0:
                time.sleep(0.02)
            while number == count // 2 and any((up / "hold").exists() for up in tmpdir.parents):
                self.check_cancelled()
                time.sleep(0.01)


class Waits(Telling):
    """Waits until it is cancelled; `stubborn` ignores what it can, `family` has a child as well."""

    short_name = "waits"
    flags: ClassVar = {
        "stubborn": {"default": False, "long_name": "Ignore what can be ignored"},
        "family": {"default": False, "long_name": "Start a process that waits as well"},
        "steady": {"default": False, "long_name": "Say a line all the time"},
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        if flags["stubborn"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.check_alone()
        self.log(f"pid {os.getpid()}")
        if flags["family"]:
            child = subprocess.Popen(["/bin/sleep", "600"])
            self.log(f"pid {child.pid}")
        with self.update_status("Waiting"):
            self._wait(**flags)

    def _wait(self, stubborn: bool, steady: bool, **others: bool) -> None:
        number, deadline = 0, time.monotonic() + 3600
        while time.monotonic() < deadline:
            if not stubborn:
                self.check_cancelled()
            if steady:
                number += 1
                self.log(f"tick {number} {time.time()}")
            time.sleep(0.01)


class Forks(Telling):
    """Has two forks that log, and begins each again that somebody kills."""

    short_name = "forks"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        forks = {number: self._fork(number) for number in (1, 2)}
        while forks:
            number, fork = forks.popitem()
            fork.join()
            if fork.exitcode == -signal.SIGKILL:
                self.log(f"fork {number} was killed")
                forks[number] = self._fork(number)
            elif fork.exitcode:
                raise AsyncError(f"A fork ended with {fork.exitcode}")
        self.tell()

    def _fork(self, number: int) -> ForkProcess:
        fork = multiprocessing.get_context("fork").Process(target=self._say, args=(number,))
        fork.start()
        return fork

    def _say(self, fork: int) -> None:
        for number in range(1, 21):
            self.log(f"fork {fork} says {number} of 20")
            time.sleep(0.01)


class Reads(Telling):
    """Reads its first input in two parts and logs the checksum."""

    short_name = "reads"
    flags: ClassVar = {"copied": {"default": False, "long_name": "Read a copy of the run's own"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        data = self.input_files.first().data
        with Path(data.path).open("rb") if flags["copied"] else data.open() as file:
            digest = hashlib.sha256(file.read(HALF_BYTES))
            gate = Path(self.target.extra_fields["gate"])
            with self.update_status("Waiting"):
                while not gate.exists():
                    self.check_cancelled()
                    time.sleep(0.01)
            digest.update(file.read())
        self.log(f"sha256 {digest.hexdigest()}")
        self.tell()


class Dies(Telling):
    """Logs its lines, then ends as if the kernel had run out of memory."""

    short_name = "dies"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.tell()
        os.kill(os.getpid(), signal.SIGKILL)
