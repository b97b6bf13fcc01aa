"""`heliograph migrate --to URI`: copy a data folder to a MongoDB and its files to any storage."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from server.cli.commands import new_parser, run
from server.cli.exit_status import ExitStatus
from server.cli.keeping.progress_bar import ProgressBar
from server.config import Config
from server.core.errors import NotDone
from server.operations.checks.results import counted, in_units
from server.operations.moving.migration import Migrated, migrate

_URL = re.compile(r"[a-z0-9+.-]+:/")


def main(argv: Sequence[str]) -> int:
    """Migrate and return the exit status: 1 if files of the source are lost or damaged."""
    parser = new_parser(
        "migrate",
        "Copy the embedded database and the files of a data folder to a MongoDB and a storage "
        "anywhere, and compare them there. No server may run meanwhile. The source is only read. "
        "If it is interrupted, the same command goes on.",
    )
    parser.add_argument(
        "--to",
        metavar="URI",
        help="the MongoDB to fill, which is to be empty (default: mongodb.uri; as an argument, "
        "others on this machine can see a password in it)",
    )
    parser.add_argument(
        "--files",
        metavar="URL",
        help="the storage for the files, a URL of fsspec or a folder (default: files.url; without "
        "that they stay where they are)",
    )
    return run(parser, argv, _migrate)


def _migrate(config: Config, args: argparse.Namespace) -> int:
    uri = args.to or config.mongodb.uri
    if uri is None:
        raise NotDone("Where to? Name a MongoDB with --to, or as mongodb.uri in the configuration")
    with ProgressBar() as progress:
        done = migrate(config, uri, _place(args.files), progress)
    _report(done)
    return ExitStatus.FAILED if done.lost else ExitStatus.SUCCEEDED


def _place(files: str | None) -> str | None:
    """Return a URL as it is, and a path from where the command was given."""
    if files is None or _URL.match(files):
        return files
    return str(Path(files).expanduser().absolute())


def _report(done: Migrated) -> None:
    if done.written or done.copied:
        print(f"Migrated {_contents(done)} to the database {done.database} and {done.storage}")
    else:
        print(f"Nothing was left to do: {_contents(done)} are in {done.database}, {done.storage}")
    print(
        f"Compared {counted(done.records, 'record')} and {counted(done.files, 'file')} there: they "
        f"are the same ({done.written:,} and {done.copied:,} were written now)"
    )
    for lost in done.lost:
        print(f"Not migrated: {lost.file}: {lost.reason}")
    if done.lost:
        print(
            "These files are lost or damaged here; restore them from a backup, then run the same "
            "command again"
        )
    keys = "mongodb.uri" if done.stay else "mongodb.uri and files.url"
    print(f"Now start the server with {keys} set to that, and none on the old database any more")


def _contents(done: Migrated) -> str:
    parts = (
        counted(done.counts.get("targets", 0), "target"),
        counted(done.counts.get("dataproducts", 0), "data product"),
        counted(done.counts.get("processes", 0), "process"),
        counted(done.counts.get("tokens", 0), "named token"),
    )
    return f"{', '.join(parts)} ({counted(done.files, 'file')}, {in_units(done.size)})"
