"""The options that all commands take, and the configuration that they lead to."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path

from server.config import Config, find_file, load

#: The keys of the configuration that options override, by the options' names.
COMMON = {"data": "data"}


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where the configuration and the data folder are."""
    parser.add_argument(
        "--config", metavar="F", help="configuration file (default: ./config.yml if any)"
    )
    parser.add_argument("--data", metavar="DIR", help="folder for everything that the server keeps")


def load_config(args: argparse.Namespace, keys: Mapping[str, str] = COMMON) -> Config:
    """Load the configuration and let the given options override its keys.

    Raise StartError with all that is wrong.
    """
    given = {key: getattr(args, name) for name, key in keys.items()}
    options = {key: value for key, value in given.items() if value is not None}
    path = Path(args.config) if args.config is not None else find_file()
    return load(path, os.environ, options)
