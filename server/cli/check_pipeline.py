"""`heliograph check-pipeline`: say what a pipeline written for tom_education needs here.

The file is read, never imported or run.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from runners.compat.advice import MOST_BYTES, NotReadable, advise
from runners.compat.findings import Finding, Kind
from runners.pipeline.file_copies import NotAFile, open_file
from server.cli.commands import new_parser
from server.cli.exit_status import ExitStatus
from server.cli.options import add_common_options, load_config
from server.core.errors import StartError


def parser() -> argparse.ArgumentParser:
    """Return the parser of the arguments."""
    made = new_parser(
        "check-pipeline",
        "Read a pipeline that was written for tom_education and say, line by line, what works here,"
        " what must change and to what. Nothing of it is run. The exit status is 0 if nothing has"
        " to change, 1 if something has, and 2 if the file cannot be read.",
    )
    made.add_argument("file", metavar="FILE", type=Path, help="the module with the pipeline")
    add_common_options(made)
    return made


def main(argv: Sequence[str]) -> int:
    """Do what the arguments say and return the exit status."""
    args = parser().parse_args(argv[1:])
    try:
        configured = load_config(args).compat.settings
        found, pipelines = advise(_read(args.file), list(configured))
    except (NotReadable, StartError) as error:
        print(f"{_shown(args.file)} cannot be checked: {error}", file=sys.stderr)
        return ExitStatus.NOT_STARTED
    for line in report(_shown(args.file), found, pipelines):
        print(line)
    needed = any(each.kind is Kind.CHANGE for each in found)
    return ExitStatus.FAILED if needed else ExitStatus.SUCCEEDED


def report(name: str, found: Sequence[Finding], pipelines: Sequence[str]) -> list[str]:
    """Return the lines that say all of it."""
    lines = [f"{name}:{each.line}: {each.kind}: {each.what} -> {each.say}" for each in found]
    counts = Counter(each.kind for each in found)
    lines.append(
        f"{counts[Kind.CHANGE]} to change, {counts[Kind.LOOK]} to look at,"
        f" {counts[Kind.WORKS]} that work as they are"
    )
    module = Path(name).stem
    if pipelines and module.isidentifier():
        lines.append("Then add to config.yml, with the names that people see:")
        lines.append("pipelines:")
        lines += [f"  {each}: {module}.{each}" for each in pipelines]
    return lines


def _read(path: Path) -> bytes:
    """Return the bytes of a file, a few more than are taken if it is too long."""
    try:
        descriptor = open_file(path, follow=True)
    except NotAFile as error:
        raise NotReadable("it is not a file") from error
    except OSError as error:
        raise NotReadable((error.strerror or "unknown error").lower()) from error
    except ValueError as error:  # NUL in its name
        raise NotReadable("there is no such file") from error
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MOST_BYTES + 1)


def _shown(path: Path) -> str:
    return str(path).encode("utf-8", "replace").decode()
