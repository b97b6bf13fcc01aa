"""How a run ended, in words: the exit code or signal, and what is likely behind it."""

from __future__ import annotations

import signal
import time

from server.config import Limits
from server.core.records import LOST


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


def likely_cause(
    code: int, limits: Limits, cpu_seconds: float | None, memory_kills: bool
) -> str | None:
    """What is likely behind an end that nobody here asked for; None when nothing is.

    `memory_kills` says whether the kernel has ended processes for lack of memory meanwhile.
    """
    cpu_limit, space = limits.cpu_seconds, limits.address_space_bytes
    killed = code == -signal.SIGKILL
    over = killed and cpu_limit is not None and (cpu_seconds or 0.0) >= cpu_limit
    if code == -signal.SIGXCPU or over:
        return f"It used up its {cpu_limit} CPU seconds (limits.cpu_seconds)"
    if killed and memory_kills:
        return "Probably it was out of memory: the kernel ended a process for that meanwhile"
    if killed:
        return "Nobody here sends this signal unasked: somebody else did, or it was out of memory"
    if space is not None and -code in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
        return f"Maybe it was out of memory: its address space is limited to {space} bytes"
    return None


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
