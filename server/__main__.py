"""The command line: `python -m server`, also installed as `heliograph`.

Imports nothing heavy by itself: the children of multiprocessing import this module again.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Callable, Sequence

#: First arguments that ask for something else than a server, and the modules that do it: each has a
#: `main` that takes all arguments and returns the exit status.
COMMANDS = {
    "backup": "server.cli.keeping.backup",
    "check": "server.cli.check",
    "check-pipeline": "server.cli.check_pipeline",
    "import-tom": "server.cli.keeping.import_tom",
    "migrate": "server.cli.keeping.migrate",
    "restore": "server.cli.keeping.restore",
    "timelapse": "server.cli.run",
    "run": "server.cli.run",
    "token": "server.cli.tokens",
    "vacuum": "server.cli.keeping.vacuum",
}
#: The keys of the configuration that the server's own options override.
KEYS = {"host": "http.host", "port": "http.port"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the server until it is stopped, or do a command, and return the exit status."""
    from server.cli.exit_status import ExitStatus

    _escape_output()
    try:
        return _do(sys.argv[1:] if argv is None else argv)
    except BrokenPipeError:
        _discard_output()
        return ExitStatus.UNREAD


def _do(argv: Sequence[str]) -> int:
    from server.cli.exit_status import ExitStatus
    from server.cli.options import COMMON, load_config
    from server.core.errors import StartError

    if argv and argv[0] in COMMANDS:
        return command(argv)
    args = parser().parse_args(argv)
    if args.version:
        print(f"heliograph {version()}", flush=True)
        return ExitStatus.SUCCEEDED
    try:
        config = load_config(args, COMMON | KEYS)
        from server.app.running import run
        from server.cli.demo import make_demo_on
        from server.cli.options import accepted

        return run(config, make_demo_on if args.demo else None, accepted(args))
    except StartError as error:
        print(f"heliograph cannot start:\n{error}", file=sys.stderr)
        return ExitStatus.NOT_STARTED


def command(argv: Sequence[str]) -> int:
    """Do what the first argument names, and return the exit status."""
    from importlib import import_module

    main: Callable[[Sequence[str]], int] = import_module(COMMANDS[argv[0]]).main
    status = main(argv)
    sys.stdout.flush()
    return status


def _escape_output() -> None:
    """Have characters that the terminal's encoding lacks escaped: names of others may have any."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # as errors are by Python itself
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Send what is still to be printed nowhere: the interpreter would complain at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def parser() -> argparse.ArgumentParser:
    """Return the parser of the options. Their values are checked by the configuration, not here."""
    from server.cli.options import add_accepting_options, add_common_options

    made = argparse.ArgumentParser(
        prog="heliograph",
        description="Run astronomical pipelines and show live what they do.",
        epilog="Everything else is set in config.yml or by HELIOGRAPH_... variables. "
        "`heliograph timelapse` and `heliograph run` make one run and show it, `heliograph token` "
        "says who is let in, `heliograph check`, `backup`, `restore`, `vacuum` and `migrate` "
        "look after what is stored, `heliograph import-tom` moves a site of tom_education in, and "
        "`heliograph check-pipeline` reads its pipelines; see their --help.",
        allow_abbrev=False,
    )
    add_common_options(made)
    made.add_argument("--host", metavar="H", help="address to listen on (default: 127.0.0.1)")
    made.add_argument("--port", metavar="N", help="port to listen on, 0 for any (default: 8642)")
    made.add_argument(
        "--demo", action="store_true", help="create a target with frames and process them"
    )
    add_accepting_options(made)
    made.add_argument("--version", action="store_true", help="print the version and exit")
    return made


def version() -> str:
    """Return the version that is installed."""
    from server.core.version import version as installed

    return installed()


if __name__ == "__main__":
    sys.exit(main())
