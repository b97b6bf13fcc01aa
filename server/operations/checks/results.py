"""What a check says: how it stands, in a sentence, and what to do about it."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Level(enum.StrEnum):
    """How serious a result is."""

    OK = "ok"  #: as it should be
    WARNING = "warning"  #: works, and somebody should know
    PROBLEM = "problem"  #: something is lost, damaged or will not work


@dataclass(frozen=True)
class Result:
    """One line of the report."""

    level: Level
    text: str


def ok(text: str) -> Result:
    """Return that something is as it should be."""
    return Result(Level.OK, text)


def warning(text: str, do: str = "") -> Result:
    """Return what somebody should know, and perhaps do."""
    return Result(Level.WARNING, f"{text}: {do}" if do else text)


def problem(text: str, do: str = "") -> Result:
    """Return what is wrong, and what to do about it."""
    return Result(Level.PROBLEM, f"{text}: {do}" if do else text)


def in_units(size: int) -> str:
    """Return a number of bytes as people say it."""
    number, units = float(size), ["bytes", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number, units = number / 1000, units[1:]
    return f"{number:.3g} {units[0]}" if size >= 1000 else f"{size} bytes"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, in the plural unless it is 1."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
