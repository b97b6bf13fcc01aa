"""What the commands that look after an installation share: how they begin, speak and end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from server.cli.exit_status import ExitStatus
from server.cli.options import add_common_options, load_config
from server.config import Config
from server.core.errors import HeliographError

#: The shortest time between two lines of progress in a terminal.
_PROGRESS_SECONDS = 0.2

#: Does what a command is for and returns the exit status.
Work = Callable[[Config, argparse.Namespace], int]


def run(parser: argparse.ArgumentParser, argv: Sequence[str], work: Work) -> int:
    """Do the work of a command that is given all arguments, and return the exit status."""
    add_common_options(parser)
    args = parser.parse_args(argv[1:])
    try:
        return work(load_config(args), args)
    except HeliographError as error:
        print(f"heliograph {argv[0]}: {error}", file=sys.stderr)
        return ExitStatus.NOT_STARTED
    except BrokenPipeError:
        raise  # nobody reads the output, which is no failure of the work
    except OSError as error:
        print(f"heliograph {argv[0]}: {sentence_of(error)}", file=sys.stderr)
        return ExitStatus.NOT_STARTED
    except KeyboardInterrupt:
        print(f"heliograph {argv[0]}: interrupted", file=sys.stderr)
        return ExitStatus.CANCELLED
    finally:
        sys.stdout.flush()


def sentence_of(error: HeliographError | OSError) -> str:
    """Return what is wrong without the number of a system error."""
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}{error.strerror}"
    return str(error)


def new_parser(name: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a command's own options."""
    return argparse.ArgumentParser(
        prog=f"heliograph {name}", description=description, allow_abbrev=False
    )


class ProgressLine:
    """One line of a terminal that tells how far a command is; nothing without a terminal."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._last = 0.0

    def __call__(self, doing: str, done: int, total: int | None) -> None:
        """Show what is being done, now and then."""
        now = time.monotonic()
        if not self._shown or now - self._last < _PROGRESS_SECONDS:
            return
        self._last = now
        of = "" if total is None else f" of {total:,}"
        count = f" {done:,}{of}" if done else ""
        print(f"\r{doing}{count}\033[K", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the line."""
        if self._shown and self._last:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
