"""Runs a command for each of some engines, with HELIOGRAPH_TEST_MONGODB_URI naming it.

    python -m tests.engines secantus -- pytest -n 0 tests/contract

Engines: secantus, mongo-java-server. One that cannot be run here is named, and is no failure unless
`--required` is given. The exit status is that of the first command that failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.engines.starting import ENGINES, NotAtHand


def main() -> int:
    """Run the command and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.engines", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("engines", nargs="+", choices=list(ENGINES))
    parser.add_argument("--required", action="store_true", help="fail if one cannot be run here")
    own, command = _split(sys.argv[1:])
    given = parser.parse_args(own)
    if not command:
        parser.error("the command is missing: -- pytest ...")
    failed = 0
    for name in given.engines:
        status = run(name, command)
        if status is None and given.required:
            status = 1
        failed = failed or status or 0
    return failed


def run(name: str, command: list[str]) -> int | None:
    """Run the command on an engine; return its exit status, None if the engine is not at hand."""
    began = time.monotonic()
    # Not under a long path, nor where nothing may be executed.
    with tempfile.TemporaryDirectory(prefix="heliograph-engine-") as folder:
        try:
            with ENGINES[name](Path(folder)) as uri:
                print(f"{name} runs, after {time.monotonic() - began:.0f} s", flush=True)
                variables = {"HELIOGRAPH_TEST_MONGODB_URI": uri, "HELIOGRAPH_TEST_ENGINE": name}
                return subprocess.run(command, env=os.environ | variables, check=False).returncode
        except NotAtHand as error:
            print(f"{name} DID NOT RUN, and nothing was tested on it: {error}", flush=True)
            return None


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
