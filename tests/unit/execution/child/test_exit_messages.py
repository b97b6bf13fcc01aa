"""How the end of a run is described."""

from __future__ import annotations

import signal

import pytest

from runners.execution.exits import exit_in_words
from server.config import Limits
from server.execution.child.exit_messages import failure_of_exit, likely_cause


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "exit code 0"),
        (3, "exit code 3"),
        (-9, "signal 9 (SIGKILL)"),
        (-34, "signal 34 (SIGRTMIN)"),
        (-40, "signal 40"),
    ],
)
def test_exit_codes_and_signals_are_described(code: int, text: str) -> None:
    assert exit_in_words(code) == text
    assert text.split()[-1] in failure_of_exit(code)


@pytest.mark.parametrize(
    ("code", "limits", "cpu_seconds", "oom_kills", "said"),
    [
        (0, Limits(), 1.0, True, None),
        (3, Limits(cpu_seconds=1), 5.0, True, None),
        (-signal.SIGXCPU, Limits(cpu_seconds=5), None, False, "used up its 5 CPU seconds"),
        (-signal.SIGKILL, Limits(cpu_seconds=5), 5.2, False, "used up its 5 CPU seconds"),
        (-signal.SIGKILL, Limits(cpu_seconds=5), 4.2, True, "Probably it was out of memory"),
        (-signal.SIGKILL, Limits(cpu_seconds=5), None, False, "or it was out of memory"),
        (-signal.SIGABRT, Limits(), 1.0, False, None),
        (-signal.SIGABRT, Limits(address_space_bytes=99), 1.0, False, "limited to 99 bytes"),
        (-signal.SIGTERM, Limits(address_space_bytes=99), 1.0, True, None),
    ],
)
def test_a_cause_is_named_where_it_is_likely(
    code: int, limits: Limits, cpu_seconds: float | None, oom_kills: bool, said: str | None
) -> None:
    cause = likely_cause(code, limits, cpu_seconds, oom_kills)
    assert (cause is None) == (said is None)
    assert said is None or (cause is not None and said in cause)
