"""Pipelines for the benchmarks; imported by the children of runs."""

from __future__ import annotations

import logging
import os
import subprocess
import time
from pathlib import Path
from statistics import median
from typing import Any

from runners import PipelineProcess


class Writes(PipelineProcess):
    """Logs lines of 100 bytes up to as many bytes as its target's `bytes` says."""

    short_name = "writes"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Log, and end."""
        for number in range(int(self.target.extra_fields["bytes"]) // 100):
            self.log(f"{number:<99}")


class Floods(PipelineProcess):
    """Logs `count` lines as fast as it can."""

    short_name = "floods"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Log, and end."""
        for number in range(int(self.target.extra_fields["count"])):
            self.log(f"Processing frame {number}")


class Grows(PipelineProcess):
    """The same, and then 100 lines more ten times a second until it is cancelled."""

    short_name = "grows"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Log on and on."""
        Writes.do_pipeline(self, tmpdir)  # type: ignore[arg-type]
        while True:
            self.check_cancelled()
            time.sleep(0.1)
            for number in range(100):
                self.log(f"{number:<99}")


class Observes(PipelineProcess):
    """Logs `count` lines of 60 characters, each 10,000th an error; with `on`, it goes on slowly."""

    short_name = "observes"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Log, and end or go on until it is cancelled."""
        wanted = self.target.extra_fields
        for number in range(1, int(wanted["count"]) + 1):
            if number % 10_000:
                self.log(observed(number))
            else:
                logging.error(observed(number))
        while wanted.get("on"):
            self.check_cancelled()
            time.sleep(0.1)
            for number in range(100):
                self.log(observed(number))


def observed(number: int) -> str:
    """Return a line of 60 characters, with figures that look measured."""
    mixed = number * 2_654_435_761 % 2**32
    sky, fwhm = 900 + mixed % 1_999 / 10, 1.5 + mixed % 997 / 400
    stars, shift = mixed % 4_999, mixed % 293 / 10
    return f"Frame {number:8} sky {sky:7.1f} fwhm {fwhm:5.2f} stars {stars:4} shift {shift:5.1f}"


class Ticks(PipelineProcess):
    """Logs the time, `count` times with a `pause` between."""

    short_name = "ticks"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Log and pause."""
        wanted = self.target.extra_fields
        time.sleep(float(wanted["wait"]))
        for _ in range(int(wanted["count"])):
            time.sleep(float(wanted["pause"]))
            self.log(f"at {time.monotonic_ns()}")


class Clocks(PipelineProcess):
    """Logs `count` lines after a `wait`; the first and the last one tell the time."""

    short_name = "clocks"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Wait for the viewer, and log."""
        wanted = self.target.extra_fields
        time.sleep(float(wanted["wait"]))
        self.log(f"from {time.monotonic_ns()}")
        for number in range(int(wanted["count"]) - 2):
            self.log(f"Processing frame {number}")
        self.log(f"until {time.monotonic_ns()}")


class Changes(PipelineProcess):
    """Changes its status as many times a second as its target's `rate` says, until cancelled."""

    short_name = "changes"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Change and change."""
        number = 0
        while True:
            self.check_cancelled()
            number += 1
            with self.update_status(f"Step {number}"):
                time.sleep(1 / float(self.target.extra_fields["rate"]))


class Timed(PipelineProcess):
    """Logs `count` lines and says what one call took, in its status; then the floor, an `os.write`.

    In nanoseconds: the median of the first tenth of the calls, of the last tenth, and the floor.
    """

    short_name = "timed"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        """Time each call."""
        count = int(self.target.extra_fields["count"])
        log, line = self.log, "Processing frame 17 of the night, seeing 1.2 arcsec"
        taken = _each(lambda: log(line), count)
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as sink:
            assert sink.stdin is not None
            number, data = sink.stdin.fileno(), line.encode() + b"\n"
            floor = median(_each(lambda: os.write(number, data), 100_000))
        tenth = count // 10
        first, last = median(taken[:tenth]), median(taken[-tenth:])
        with self.update_status(f"{first:.0f} {last:.0f} {floor:.0f}"):
            time.sleep(2)  # otherwise the last status would come at once


def _each(call: Any, count: int) -> list[int]:
    clock = time.perf_counter_ns
    taken = []
    for _ in range(count):
        begun = clock()
        call()
        taken.append(clock() - begun)
    return taken
