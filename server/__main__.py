"""The command line: `python -m server`, also installed as `heliograph`.

Imports nothing heavy by itself: the children of multiprocessing import this module again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

#: What comes first when no server but one run is wanted; `terminal` has the rest.
COMMANDS = ("timelapse", "run")
#: The key of the configuration that each option sets.
OPTIONS = {"host": "http.host", "port": "http.port", "data": "data"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it is stopped, or one run; the exit status, 2 when it cannot start."""
    import os
    from pathlib import Path

    from server.config import find_file, load
    from server.core.errors import StartError

    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in COMMANDS:
        from server.cli.run import main as run_in_terminal

        return run_in_terminal(argv)
    args = parser().parse_args(argv)
    if args.version:
        print(f"heliograph {version()}")
        return 0
    given = {key: getattr(args, name) for name, key in OPTIONS.items()}
    options = {key: value for key, value in given.items() if value is not None}
    try:
        path = Path(args.config) if args.config is not None else find_file()
        config = load(path, os.environ, options)
        from server.app.server import run
        from server.cli.demo import make_demo_on

        return run(config, make_demo_on if args.demo else None)
    except StartError as error:
        print(f"heliograph cannot start:\n{error}", file=sys.stderr)
        return 2


def parser() -> argparse.ArgumentParser:
    """What the command line takes. Values are checked by the configuration, not here."""
    made = argparse.ArgumentParser(
        prog="heliograph",
        description="Run astronomical pipelines and show live what they do.",
        epilog="Everything else is set in config.yml or by HELIOGRAPH_... variables. "
        "`heliograph timelapse` and `heliograph run` make one run and show it; see their --help.",
        allow_abbrev=False,
    )
    made.add_argument("--config", metavar="F", help="configuration (default: ./config.yml if any)")
    made.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1)")
    made.add_argument("--port", metavar="N", help="port to listen on, 0 for any (default: 8642)")
    made.add_argument("--data", metavar="DIR", help="folder of all that the server keeps")
    made.add_argument("--demo", action="store_true", help="add a target with frames and run them")
    made.add_argument("--version", action="store_true", help="print the version and exit")
    return made


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("heliograph")
    except PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
