"""`heliograph import-tom DATABASE MEDIA`: move a site of tom_education in."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from runners.confinement.environment import of_runs
from runners.examiner import Examiner
from runners.execution.registry import BUILT_IN
from server.archive.files.examination import examined
from server.cli.commands import new_parser, run
from server.cli.exit_status import ExitStatus
from server.cli.keeping.progress_bar import ProgressBar
from server.config import Config
from server.operations.checks.results import counted
from server.operations.moving.tom.importing import Wanted, import_tom
from server.operations.moving.tom.report import Imported, Named
from server.operations.moving.tom.work import Examine, Examining

#: Classes of pipelines that come with Heliograph under other names.
_PREDECESSORS = {"TimelapsePipeline": "Timelapse", "AstrosourceProcess": "astrosource"}


def main(argv: Sequence[str]) -> int:
    """Import a site and return the exit status: 1 if some of what it has could not be brought."""
    parser = new_parser(
        "import-tom",
        "Bring targets, files, groups, measurements and processes of a site of tom_education here. "
        "The site is only read, and keeps its PKs and URLs. No server may run meanwhile. If it is "
        "interrupted, or the site goes on, the same command goes on from there.",
    )
    parser.add_argument(
        "database",
        metavar="DATABASE",
        help="its SQLite file, or the URL of its database, such as "
        "postgresql+psycopg://user@host/name (as an argument, others on this machine can see a "
        "password in it)",
    )
    parser.add_argument("media", metavar="MEDIA", type=Path, help="its folder of media files")
    parser.add_argument(
        "--renumber",
        action="store_true",
        help="give other PKs to what has one that is taken here, and print which; old URLs lead "
        "to the new ones",
    )
    parser.add_argument(
        "--copy",
        action="store_true",
        help="copy all files; else those on the same disk are had by both sites together",
    )
    return run(parser, argv, _import)


def _import(config: Config, args: argparse.Namespace) -> int:
    wanted = Wanted(
        database=args.database,
        media=args.media,
        renumber=args.renumber,
        copies=args.copy,
        pipelines=_pipelines(config),
    )
    with ProgressBar() as progress:
        done = import_tom(config, wanted, _examining(config), progress)
    _report(done, args)
    return ExitStatus.FAILED if done.lost else ExitStatus.SUCCEEDED


def _pipelines(config: Config) -> dict[str, str]:
    """Return the names of the pipelines here, by those of their classes."""
    built_in = {path.rpartition(".")[2]: name for name, path in BUILT_IN.items()}
    own = {entry.path.rpartition(".")[2]: name for name, entry in config.pipelines.items()}
    return built_in | _PREDECESSORS | own


def _examining(config: Config) -> Examining:
    @contextlib.asynccontextmanager
    async def examining() -> AsyncIterator[Examine]:
        examiner = Examiner(environment=of_runs(os.environ, config.limits.environment))

        async def examine(path: Path, name: str) -> dict[str, Any]:
            return await examined(examiner.metadata, path, name)

        try:
            yield examine
        finally:
            await examiner.close()

    return examining


def _report(done: Imported, args: argparse.Namespace) -> None:
    if done.resumed:
        print("An earlier import of this site was interrupted; this one has gone on from there")
    if done.renumbered:
        print("What has another PK here:")
        for each in done.renumbered:
            print(f"  {each}")
    _name("Note", done.notes)
    _name("Not imported", done.lost)
    print(f"{'':<20}{'old site':>15}{'here':>15}")
    for count in done.counts:
        print(f"{count.what:<20}{count.old:>15,}{count.here:>15,}")
    print(_summary(done, args))


def _name(what: str, named: Named) -> None:
    for sentence in named.sentences:
        print(f"{what}: {sentence}")
    if named.more:
        print(f"{what}: {named.more:,} more")


def _summary(done: Imported, args: argparse.Namespace) -> str:
    said = f"Imported {counted(done.written, 'record')} now"
    if not done.written:
        said = "Nothing was left to import"
    if done.linked:
        said += f"; {counted(done.linked, 'file')} of {args.media} are used by both sites"
    return f"{said}. The old site is as it was"
