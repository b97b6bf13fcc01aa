"""Pipelines that behave well and badly, for the tests. Imported by the children of runs only."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

from runners import AsyncError, DataProduct, PipelineOutput, PipelineProcess, ReducedDatum


class Chatty(PipelineProcess):
    """Writes to its log in every possible way."""

    short_name = "chatty"
    flags = {"loud": {"default": False, "long_name": "Say more"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("from log")
        print("from print")
        print("from stderr", file=sys.stderr)
        subprocess.run(["/bin/echo", "from a program"], check=True)
        logging.getLogger("author").error("from logging")
        warnings.warn("from warnings", stacklevel=1)
        self.log("two\nlines")
        self.log("a part", end="")
        self.log(" and its end")
        self.log("lone \ud800 surrogate and NUL \x00")
        if flags["loud"]:
            self.log("VERY LOUD")


class Outputs(PipelineProcess):
    """Makes several files."""

    short_name = "outputs"
    allowed_suffixes = [".fits", ".txt"]

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path | PipelineOutput]:
        with self.update_status("Writing"):
            for number in range(3):
                path = tmpdir / f"table {number}.csv"
                path.write_text(f"time,mag\n{number},1\n")
                self.progress(number + 1, 3)
                yield path if number else PipelineOutput(path, "DataProduct")


class Measures(PipelineProcess):
    """Gives its target's `table` as reduced data, and once more as a file."""

    short_name = "measures"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path | PipelineOutput]:
        path = tmpdir / "light curve.csv"
        path.write_text(self.target.extra_fields["table"])
        yield PipelineOutput(path, ReducedDatum)
        if self.target.extra_fields.get("file"):
            yield path


class Fails(PipelineProcess):
    """Fails with a message of its own."""

    short_name = "fails"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        raise AsyncError("The stars were not right")


class Raises(PipelineProcess):
    """Raises an unexpected error."""

    short_name = "raises"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        raise KeyError("no such star")


class UnprintableError(Exception):
    """Cannot even say what is wrong."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class RaisesUnprintable(PipelineProcess):
    """Raises what cannot be printed."""

    short_name = "unprintable"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        raise UnprintableError


class Exits(PipelineProcess):
    """Exits without reporting its end."""

    short_name = "exits"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("last line")
        os._exit(3)


class Segfaults(PipelineProcess):
    """Reads where nothing is."""

    short_name = "segfaults"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("last line")
        ctypes.string_at(0)


class KillsItself(PipelineProcess):
    """Ends as if the kernel had run out of memory."""

    short_name = "kills"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("last line")
        os.kill(os.getpid(), signal.SIGKILL)


class Films(PipelineProcess):
    """Reports frames as a film does, and then runs until it is cancelled."""

    short_name = "films"
    process_type = "timelapse"

    def do_pipeline(self, tmpdir: Path) -> None:
        for number in range(1, 151):
            facts = {"frame": number, "product": self.input_files.first().pk, "name": "a.fits"}
            self._reporter.frame(f"Processing frame {number}/150", facts)
        self.progress(150, 150)
        while True:
            self.check_cancelled()
            time.sleep(0.01)


class Waits(PipelineProcess):
    """Runs until it is cancelled, politely or (`stubborn`) not; `family` has it start others."""

    short_name = "waits"
    flags = {
        "stubborn": {"default": False, "long_name": "Ignore what can be ignored"},
        "family": {"default": False, "long_name": "Start a process that waits as well"},
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        if flags["stubborn"]:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if flags["family"]:
            child = subprocess.Popen(["/bin/sleep", "600"])
            self.log(f"child {child.pid}")
        self.log(f"pid {os.getpid()}")
        with self.update_status("Waiting"):
            deadline = time.monotonic() + 600
            while time.monotonic() < deadline:
                if not flags["stubborn"]:
                    self.check_cancelled()
                time.sleep(0.01)


class Stages(PipelineProcess):
    """Logs a few lines in each of three stages, and one line before them."""

    short_name = "stages"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("before all")
        for stage in range(3):
            with self.update_status(f"Stage {stage}"):
                self.log(f"first of {stage}\nsecond of {stage}")


class Shows(PipelineProcess):
    """Shows a picture of itself, and waits to be cancelled."""

    short_name = "shows"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        (tmpdir / "preview.png").write_bytes(b"\x89PNG\r\n\x1a\nhardly a picture")
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            self.check_cancelled()
            time.sleep(0.01)


class Counts(PipelineProcess):
    """Logs as many lines as its target's `lines` says, then makes a file."""

    short_name = "counts"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Path:
        lines = int(self.target.extra_fields.get("lines", 100))
        pause = float(self.target.extra_fields.get("pause", 0.0))
        for number in range(1, lines + 1):
            self.log(f"line {number}")
            if pause:
                time.sleep(pause)
        path = tmpdir / "count.txt"
        path.write_text(str(lines))
        return path


class LongLine(PipelineProcess):
    """Writes a megabyte without a line end, then a line."""

    short_name = "longline"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("x" * 1_000_000 + "\nnext")


class Predecessor(PipelineProcess):
    """Written as tom_education's pipelines are."""

    short_name = "predecessor"
    allowed_suffixes = [".fits"]

    class Meta:
        proxy = True

    def do_pipeline(self, tmpdir, **flags):  # type: ignore[no-untyped-def]  # as authors write
        for product in self.input_files.all():
            self.log("Processing ", end="")
            self.log(product.data.name)
            product.data.file.read()
        with self.update_status("doing things"):
            self.save()
        for name in ("result.txt", "curve.csv", "other.txt"):
            (tmpdir / name).write_text("time,magnitude\n58000,12\n")
        yield (tmpdir / "result.txt", DataProduct)
        yield (tmpdir / "curve.csv", ReducedDatum, "photometry")
        yield (tmpdir / "other.txt", DataProduct, "", "renamed.txt")


class Paced(PipelineProcess):
    """Logs its target's `rate` lines a second for its `seconds`; its status tells the time."""

    short_name = "paced"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        rate = int(self.target.extra_fields["rate"])
        begun = time.monotonic()
        total = round(rate * float(self.target.extra_fields["seconds"]))
        number = 0
        while number < total:
            with self.update_status(f"at {time.time()}"):
                due = min(total, round(rate * (time.monotonic() - begun)) + 1)
                while number < due:
                    number += 1
                    self.log(f"line {number}")
            time.sleep(0.01)
