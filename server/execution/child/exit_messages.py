"""How a run ended, in words: the exit code or signal, and the likely cause."""

from __future__ import annotations

import signal
import time

from runners.execution.exits import signal_name
from server.config import Limits
from server.core.records import LOST


def failure_of_exit(code: int) -> str:
    """Return the failure message of a run whose child ended without a last message."""
    if code < 0:
        return f"The pipeline was killed by signal {signal_name(-code)}"
    return f"The pipeline ended with exit code {code}"


def likely_cause(
    code: int, limits: Limits, cpu_seconds: float | None, oom_kills: bool
) -> str | None:
    """Return the likely cause of an end that this server did not bring about, None if unknown.

    `oom_kills` tells whether the kernel killed processes for lack of memory while the run lasted.
    """
    cpu_limit, space = limits.cpu_seconds, limits.address_space_bytes
    killed = code == -signal.SIGKILL
    over = killed and cpu_limit is not None and (cpu_seconds or 0.0) >= cpu_limit
    if code == -signal.SIGXCPU or over:
        return f"It used up its {cpu_limit} CPU seconds (limits.cpu_seconds)"
    if killed and oom_kills:
        return "Probably it was out of memory: the kernel ended a process for that meanwhile"
    if killed:
        return "Nobody here sends this signal unasked: somebody else did, or it was out of memory"
    if space is not None and -code in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
        return f"Maybe it was out of memory: its address space is limited to {space} bytes"
    return None


def outputs_lost(sent: int | None, received: int) -> str:
    """Return the failure message of a run whose outputs did not arrive as they were sent."""
    return f"The pipeline sent {sent} outputs, but {received} were received; none was stored"


def timed_out(seconds: float) -> str:
    """Return the failure message of a run that took longer than its limit."""
    return f"Timed out after {seconds:g} s"


def tried_again(started: float | None) -> str:
    """Return the log line of a lost run that gets a new attempt; `started` in Unix seconds."""
    since = "" if started is None else f"; it had run since {clock_time(started)}"
    return f"{LOST}{since}, and will be tried again"


def clock_time(seconds: float) -> str:
    """Format a time in Unix seconds for people, in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
