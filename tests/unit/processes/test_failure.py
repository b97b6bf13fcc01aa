"""What the errors at the end of a log tell of a failure."""

from __future__ import annotations

import traceback

import pytest

from runners.execution import worker
from server.processes.failure import UNEXPECTED, Failure, failure_of


def entries(text: str, first: int = 1) -> list[list[object]]:
    """Return a text as entries of the level error."""
    return [[first + at, 1.5, "error", line] for at, line in enumerate(text.split("\n"))]


def logged(error: BaseException) -> list[list[object]]:
    """Return the entries of a run that ended with this exception."""
    text = "".join(traceback.format_exception(error)).rstrip("\n")
    lines = entries(text)
    return [*lines, [len(lines) + 1, 2.5, "error", UNEXPECTED]]


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    """Return an exception that has a traceback."""
    try:
        raise error from cause
    except BaseException as caught:
        return caught


def test_the_worker_says_the_same() -> None:
    assert UNEXPECTED == worker.UNEXPECTED


@pytest.mark.parametrize(
    ("error", "exception"),
    [
        (raised(ValueError("no exposure time")), "ValueError: no exposure time"),
        (raised(KeyError("EXPTIME")), "KeyError: 'EXPTIME'"),
        (raised(RuntimeError("first\n  second\nthird")), "RuntimeError: first"),
        (raised(AssertionError()), "AssertionError"),
        (raised(ValueError("later"), raised(KeyError("before"))), "ValueError: later"),
        (
            raised(ExceptionGroup("two of them", [raised(ValueError("a")), OSError("b")])),
            "ExceptionGroup: two of them (2 sub-exceptions)",
        ),
        (raised(ValueError("a\u202eb\x1b[31mc\x07")), "ValueError: a⟨U+202E⟩bc␇"),
        (raised(ValueError("<b>x</b>")), "ValueError: <b>x</b>"),
    ],
)
def test_the_last_exception_is_shown(error: BaseException, exception: str) -> None:
    lines = logged(error)
    found = failure_of(UNEXPECTED, lines)
    assert found.words == exception
    assert str(lines[found.line - 1][3]).lstrip(" |").startswith(exception[:5])
    assert found.errors == [line[0] for line in lines]


def test_of_a_failure_that_was_foreseen_the_message_says_all() -> None:
    lines = [*logged(raised(ValueError("handled"))), [99, 3.5, "error", "No stars"]]
    assert failure_of("No stars", lines) == Failure(None, 99, [line[0] for line in lines])


@pytest.mark.parametrize(
    "text",
    [
        "An unexpected error occurred",
        "Traceback (most recent call last):",
        'Traceback (most recent call last):\n  File "x", line 1',
        " Traceback (most recent call last):\nnot one",
        "",
    ],
)
def test_half_a_traceback_has_no_words(text: str) -> None:
    lines = entries(text)
    assert failure_of(UNEXPECTED, lines) == Failure(None, len(lines), [line[0] for line in lines])


def test_a_log_without_errors_has_no_place() -> None:
    assert failure_of(UNEXPECTED, []) == Failure(None, 0, [])
    assert failure_of(None, []) == Failure(None, 0, [])
