"""The end of an OS process in words."""

from __future__ import annotations

import signal


def exit_in_words(code: int) -> str:
    """Return an exit code in words; negative codes are signals."""
    return f"signal {signal_name(-code)}" if code < 0 else f"exit code {code}"


def signal_name(number: int) -> str:
    """Return the number and name of a signal, such as `9 (SIGKILL)`."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)
