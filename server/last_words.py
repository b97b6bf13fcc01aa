"""How a run ended, in words: the exit code or signal, and what is likely behind it."""

from __future__ import annotations

import signal
import time

OUT_OF_MEMORY_HINT = "Probably it was out of memory: nobody here sends this signal unasked"


def exit_in_words(code: int) -> str:
    """The end of an OS process, negative codes being signals."""
    if code == 0:
        return "exit code 0"
    return f"signal {signal_name(-code)}" if code < 0 else f"exit code {code}"


def failure_of_exit(code: int) -> str:
    """The failure message of a run whose child ended without a last message of its own."""
    if code < 0:
        return f"The pipeline was killed by signal {signal_name(-code)}"
    return f"The pipeline ended with exit code {code}"


def signal_name(number: int) -> str:
    """The number and name of a signal, such as `9 (SIGKILL)`."""
    try:
        return f"{number} ({signal.Signals(number).name})"
    except ValueError:
        return str(number)


def timed_out(seconds: float) -> str:
    """The failure message of a run over its time."""
    return f"Timed out after {seconds:g} s"


def tried_again(started: float | None) -> str:
    """What the log says of a lost run that gets a new attempt; `started` in Unix seconds."""
    since = "" if started is None else f"; it had run since {clock_time(started)}"
    return f"{LOST}{since}, and will be tried again"


def clock_time(seconds: float) -> str:
    """A time in Unix seconds as people read it, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


LOST = "Lost: the server that ran it stopped"
CANCELLED = "Cancelled"
