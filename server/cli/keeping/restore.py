"""`heliograph restore FROM`: put a backup into an empty data folder."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from server.cli.commands import ProgressLine, new_parser, run
from server.cli.exit_status import ExitStatus
from server.cli.keeping.backup import contents
from server.config import Config
from server.operations.keeping.restore import restore
from server.operations.keeping.verification import Verified, verify


def main(argv: Sequence[str]) -> int:
    """Restore a backup and return the exit status: 1 if files of the backup are damaged."""
    parser = new_parser(
        "restore",
        "Compare a backup with its list, and copy it into a data folder that is empty or new. "
        "If it is interrupted, the same command goes on.",
    )
    parser.add_argument("backup", metavar="FROM", type=Path, help="the folder of the backup")
    parser.add_argument(
        "--replace", action="store_true", help="move what is in the data folder aside first"
    )
    parser.add_argument(
        "--skip-damaged",
        action="store_true",
        help="restore all but the files that are damaged in the backup",
    )
    parser.add_argument(
        "--verify", action="store_true", help="only compare the backup, and restore nothing"
    )
    return run(parser, argv, _restore)


def _restore(config: Config, args: argparse.Namespace) -> int:
    progress = ProgressLine()
    try:
        if args.verify:
            found = verify(args.backup, progress)
        else:
            done = restore(
                config,
                args.backup,
                progress=progress,
                replace=args.replace,
                skip_damaged=args.skip_damaged,
            )
            found = done.backup
    finally:
        progress.clear()
    if args.verify:
        print(f"{args.backup} of {found.manifest.created} has {contents(found.manifest)}")
    else:
        for folder in done.moved_to:
            print(f"What was there before is in {folder}")
        print(f"Restored {contents(found.manifest)} of {found.manifest.created} to {config.data}")
    return _say_damaged(found)


def _say_damaged(found: Verified) -> int:
    for lost in found.manifest.missing:
        print(f"Not in the backup: {lost.file}: {lost.reason}")
    for path, why in found.damaged.items():
        print(f"Damaged in the backup: {path}: {why}")
    whole = not (found.manifest.missing or found.damaged)
    return ExitStatus.SUCCEEDED if whole else ExitStatus.FAILED
