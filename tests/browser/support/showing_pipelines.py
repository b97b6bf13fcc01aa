"""Pipelines with something to look at. Imported by the children of runs only."""

# Written as authors write them: with plain class attributes.
# ruff: noqa: RUF012

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from tqdm import tqdm

from runners import AsyncError, PipelineProcess
from tests.browser.support.waiting import wait_to_go_on

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


class Ticks(PipelineProcess):
    """Counts aloud, so that there is something to watch."""

    short_name = "ticks"
    allowed_suffixes = [".fits", ".fz", ".txt"]
    flags = {
        "long": {"default": False, "long_name": "Count for two minutes"},
        "files": {"default": True, "long_name": "Write what was counted into a file"},
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterator[Path]:
        count = 1200 if flags["long"] else 20
        with self.update_status("Counting"):
            for number in range(1, count + 1):
                self.log(f"tick {number}")
                self.progress(number, count)
                time.sleep(0.1)
        if flags["files"]:
            path = tmpdir / "ticks.csv"
            path.write_text("".join(f"{number},tick\n" for number in range(count)))
            yield path


class Flood(PipelineProcess):
    """Writes a log that nobody reads from end to end."""

    short_name = "flood"
    flags = {"million": {"default": False, "long_name": "Write a million lines"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        count = 1_000_000 if flags["million"] else 30_000
        for number in range(1, count + 1):
            if number % 10_000 == 0:
                logging.getLogger("flood").error("milestone %d", number)
            else:
                self.log(f"line {number} of many")


class Hostile(PipelineProcess):
    """Writes what a careless page would take for its own markup."""

    short_name = "hostile"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log(HOSTILE)
        self.log("\x1b[31mred\x1b[0m and \x1b[1;32mgreen\x1b[0m <b>bold</b>")
        self.log("10 %\r50 %\r100 %")
        self.log("long " + "x" * 10_000)
        self.log("NUL \x00 and bell \x07")
        raise AsyncError(HOSTILE)


class Stages(PipelineProcess):
    """Goes through the stages of a reduction and logs them, at every level and in colour."""

    short_name = "stages"
    flags = {"stay": {"default": False, "long_name": "Go on until it is cancelled"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        author = logging.getLogger("stages")
        self.log("Three frames to work on")
        for stage in ("Calibrating", "Aligning", "Measuring"):
            with self.update_status(stage):
                for number in range(1, 41):
                    self.log(f"{stage.lower()} frame {number}")
                author.debug("%s took 0.2 s", stage)
                author.warning("\x1b[33mThe seeing\x1b[0m was 4.1 arcsec while %s", stage.lower())
        while flags["stay"]:
            self.progress(2, 3)
            self.log("waiting for clear sky")
            time.sleep(0.2)


class Bars(PipelineProcess):
    """Shows its progress as tools for terminals do."""

    short_name = "bars"
    flags = {"stay": {"default": False, "long_name": "Go on until it is cancelled"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("begin")
        for _ in tqdm(range(60), desc="single", ncols=60):
            time.sleep(0.05)
        for night in tqdm(range(3), desc="nights", ncols=60):
            for _ in tqdm(range(5), desc="frames", leave=False, ncols=60):
                time.sleep(0.05)
            logging.getLogger("bars").warning("night %d was cloudy", night)
        with Progress(console=Console(file=sys.stderr, force_terminal=True, width=70)) as bars:
            tasks = [bars.add_task(name, total=30) for name in ("dark", "flat", "light")]
            for _ in range(30):
                time.sleep(0.05)
                for task in tasks:
                    bars.advance(task)
        self.log("end of bars")
        print("no stars", file=sys.stderr)
        for _ in tqdm(range(10_000), desc="staying", ncols=60):
            if not flags["stay"]:
                break
            time.sleep(0.05)


class Terminal(PipelineProcess):
    """Writes what terminals understand, and a page must not show."""

    short_name = "terminal"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        self.log("\x1b]0;a title\x07plain\x1b(B and \x1b7saved\x1b8")
        self.log("\x1b[31mred begins")
        self.log("still red\x1b[0m, no more")
        self.log("\x1b]8;;https://example.org/a\x1b\\a link\x1b]8;;\x1b\\ and no link")
        self.log("\x1b]8;;javascript:alert(1)\x1b\\a trap\x1b]8;;\x1b\\")
        self.log("user \u202enimda\u202c is in")
        self.log("5 stars\b\b\b\b\bmoons")
        self.log(
            "\x1b[38:2::255:0:0mof parts\x1b[m \x1b[38;5;46mof 256\x1b[m \x1b[1;3;4;9;7mall\x1b[m"
        )
        self.log("\x1b[4mend")
        for number in range(11, 1001):
            self.log(f"line {number}")
        self.log("\x1b[24mnot underlined")


class Broken(PipelineProcess):
    """Goes well twice, and fails in its third stage with an exception of two lines."""

    short_name = "broken"
    flags = {
        "long": {"default": False, "long_name": "Write much before it fails"},
        "wait": {"default": False, "long_name": "Wait until the test lets it go on"},
    }

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        for stage in ("Calibrating", "Aligning"):
            with self.update_status(stage):
                for number in range(1, 5001 if flags["long"] else 41):
                    self.log(f"{stage.lower()} frame {number}")
        with self.update_status("Measuring"):
            logging.getLogger("broken").error("frame 2 has no stars")
            for number in range(1, 101):
                self.log(f"measuring frame {number}")
            if flags["wait"]:
                wait_to_go_on(self, tmpdir)
            try:
                {}["EXPTIME"]
            except KeyError as error:
                raise ValueError("frame 3 has no exposure \u202etime\nlook at it") from error


class Growing(PipelineProcess):
    """Writes a hundred lines, and thousands more once the test lets it go on."""

    short_name = "growing"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        for number in range(1, 101):
            self.log(f"line {number}")
        wait_to_go_on(self, tmpdir)
        for number in range(101, 6001):
            self.log(f"line {number}")


class Texts(PipelineProcess):
    """Writes lines of every length, and one that is gigantic."""

    short_name = "texts"
    flags = {"empty": {"default": False, "long_name": "Write nothing"}}

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        if flags["empty"]:
            return
        for number in range(1, 301):
            self.log(f"{number} " + "a word " * (number % 60))
        self.log("giant " + "x" * 3_000_000)
        self.log("the last one")


class Stubborn(PipelineProcess):
    """Does not stop when it is asked to."""

    short_name = "stubborn"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self.log("I stay")
        while True:
            time.sleep(0.1)


class SecondTime(PipelineProcess):
    """Dies in its first attempt, and succeeds in the second."""

    short_name = "second"

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> None:
        begun = tmpdir.parents[2] / f"{self.identifier}.begun"
        first = not begun.exists()
        begun.touch()
        self.log("first" if first else "second")
        time.sleep(1)
        if first:
            os._exit(3)
