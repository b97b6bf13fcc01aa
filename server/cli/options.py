"""The options that all commands take, and the configuration that they lead to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from server.config import Config, find_file, load
from server.operations.accepted import Accepted

#: The keys of the configuration that options override, by the options' names.
COMMON = {"data": "data"}

#: What a start refuses unless its option is given; the fields of `Accepted`.
ACCEPTING = {
    "missing_database": "start with an empty database although there are files",
    "older_database": "start with a database that does not know the newest files",
    "other_files": "start with files that belong to another database",
}


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the configuration and the data folder are."""
    parser.add_argument(
        "--config", metavar="F", help="configuration file (default: ./config.yml if any)"
    )
    parser.add_argument("--data", metavar="DIR", help="folder for everything that the server keeps")


def add_accepting_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that accept, for one start, what is refused otherwise."""
    for name, meaning in ACCEPTING.items():
        parser.add_argument(
            f"--accept-{name.replace('_', '-')}",
            dest=f"accept_{name}",
            action="store_true",
            help=meaning,
        )


def accepted(args: argparse.Namespace) -> Accepted:
    """Return what the given options accept."""
    return Accepted(**{name: getattr(args, f"accept_{name}") for name in ACCEPTING})


def load_config(args: argparse.Namespace, keys: Mapping[str, str] = COMMON) -> Config:
    """Load the configuration and let the given options override its keys.

    Raise StartError with all that is wrong.
    """
    given = {key: getattr(args, name) for name, key in keys.items()}
    options = {key: value for key, value in given.items() if value is not None}
    path = Path(args.config) if args.config is not None else find_file()
    return load(path, os.environ, options)
