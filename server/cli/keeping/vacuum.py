"""`heliograph vacuum`: give back the room that nothing needs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from server.cli.commands import new_parser, run
from server.cli.exit_status import ExitStatus
from server.config import Config
from server.operations.checks.results import counted, in_units
from server.operations.keeping.vacuum import vacuum


def main(argv: Sequence[str]) -> int:
    """Give back what can be given back and return the exit status."""
    parser = new_parser(
        "vacuum",
        "Compact the embedded database, and remove parts of logs, partial files and previews that "
        "nothing needs. Beside a running server, the database is compacted in small steps.",
    )
    return run(parser, argv, _vacuum)


def _vacuum(config: Config, args: argparse.Namespace) -> int:
    done = vacuum(config)
    for each in done.removed:
        print(f"Removed {each.count:,} {each.what} ({in_units(each.size)})")
    print(f"The database has {in_units(done.after)}, before {in_units(done.before)}")
    if done.unknown:
        print(
            f"{counted(done.unknown, 'stored file')} that no record names: left as they are; "
            "`heliograph check` lists them"
        )
    print(f"Given back: {in_units(done.size)}")
    return ExitStatus.SUCCEEDED
