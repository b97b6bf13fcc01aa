"""The error by which a pipeline, or what serves it, ends a run with a message."""

from __future__ import annotations


class AsyncError(Exception):
    """Fails the process with this message, without a traceback."""
