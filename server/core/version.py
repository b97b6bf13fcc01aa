"""The version of this program."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


def version() -> str:
    """Return the version that is installed."""
    try:
        return installed("heliograph")
    except PackageNotFoundError:
        return "(not installed)"
