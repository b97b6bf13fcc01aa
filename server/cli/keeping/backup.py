"""`heliograph backup TO`: a whole copy of the data folder, of a running server too."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from server.cli.commands import ProgressLine, new_parser, run
from server.cli.exit_status import ExitStatus
from server.config import Config
from server.core.version import version
from server.operations.checks.results import counted, in_units
from server.operations.keeping.backup import back_up
from server.operations.keeping.layout import Manifest


def main(argv: Sequence[str]) -> int:
    """Make a backup and return the exit status: 1 if files of the source are lost or damaged."""
    parser = new_parser(
        "backup",
        "Copy database and files, as they are at one moment, to a new folder. A server that uses "
        "them goes on meanwhile.",
    )
    parser.add_argument("to", metavar="TO", type=Path, help="the folder to make; its parent exists")
    parser.add_argument(
        "--since",
        metavar="BACKUP",
        type=Path,
        help="an earlier backup on the same disk: files that it has are linked, not copied",
    )
    return run(parser, argv, _back_up)


def _back_up(config: Config, args: argparse.Namespace) -> int:
    progress = ProgressLine()
    try:
        made = back_up(config, args.to, version=version(), progress=progress, since=args.since)
    finally:
        progress.clear()
    print(f"Backed up {contents(made)} to {args.to}")
    for lost in made.missing:
        print(f"Not in the backup: {lost.file}: {lost.reason}")
    if made.missing:
        print("These files are lost or damaged here; restore them from an earlier backup")
    return ExitStatus.FAILED if made.missing else ExitStatus.SUCCEEDED


def contents(backup: Manifest) -> str:
    """Return what is in a backup, in words."""
    counts = backup.counts
    parts = (
        counted(counts.get("targets", 0), "target"),
        counted(counts.get("dataproducts", 0), "data product"),
        counted(counts.get("processes", 0), "process"),
    )
    size = in_units(backup.bytes + backup.database_bytes)
    return f"{', '.join(parts)} ({counted(backup.files, 'file')}, {size})"
