"""Folders among the files that are given to a command: which of their files are used."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from runners.pipeline.process import suffix_problem
from runners.timelapse.order import natural, one_line
from server.archive.files.names import uploaded_name
from server.core.errors import InvalidInput, reason_of

#: The most files that are named one by one as left out.
MOST_NAMED = 20


class Unused(NamedTuple):
    """A file of a folder that is not used, and why: `reason` follows its name in a sentence."""

    name: str
    reason: str


def files_of(given: Iterable[Path], suffixes: Sequence[str]) -> tuple[list[Path], list[Unused]]:
    """Return the files given and those of the folders given, and what is not used of the latter.

    The files of a folder, but not those of folders in it, come in the order of the numbers in their
    names. Raise OSError for a folder that cannot be read.
    """
    files: list[Path] = []
    unused: list[Unused] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        for each in sorted(path.iterdir(), key=lambda each: (natural(each.name), each.name)):
            if reason := _problem(each, suffixes):
                unused.append(Unused(shown(each.name), reason))
            else:
                files.append(each)
    return files, unused


def sentences(unused: Sequence[Unused]) -> list[str]:
    """Return what is said of files that are not used: each by its name, unless there are many."""
    said = [f"Left out: {each.name} {each.reason}" for each in unused[:MOST_NAMED]]
    if (more := len(unused) - MOST_NAMED) > 0:
        said.append(f"Left out: {more} more")
    return said


def target_name(folder: Path) -> str:
    """Return the name of a target for the files of a folder; a number alone would be a PK."""
    name = shown(folder.resolve().name)
    return f"Frames {name}".strip() if name.isdecimal() or not name else name


def shown(name: str) -> str:
    """Return a name as it can be written: bytes that are not UTF-8 and control characters go."""
    return one_line(os.fsencode(name).decode("utf-8", "replace"))


def _problem(path: Path, suffixes: Sequence[str]) -> str | None:
    """Return why a file of a folder cannot be used, None if it can."""
    if path.is_dir():
        return "is a folder"
    if path.name.startswith("."):
        return "is a hidden file"
    if suffix_problem(suffixes, path.name):
        return f"does not end in {', '.join(suffixes)}"
    if not path.is_file():
        return "is not a regular file"
    try:
        uploaded_name(path.name)
        with path.open("rb") as file:
            return None if file.read(1) else "is empty"
    except (InvalidInput, UnicodeEncodeError):
        return "has a name that cannot be uploaded"
    except OSError as error:
        return f"cannot be read: {reason_of(error)}"
