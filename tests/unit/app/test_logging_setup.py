"""The server's own log: one entry per record, with action and ids, whatever these contain."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.app.logging_setup import TextFormatter, fields_of, set_up_logging

HEAD = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} WARNING server\.part: "


def written(message: str, *arguments: object, **extra: object) -> str:
    """Return the entry that a logger call makes, without time, level and logger."""
    entry = TextFormatter().format(a_record(message, *arguments, **extra))
    assert re.match(HEAD, entry)
    return re.sub(HEAD, "", entry, count=1)


def a_record(message: str, *arguments: object, **extra: object) -> logging.LogRecord:
    """Return the record that a logger call makes."""
    logger = logging.getLogger("server.part")
    error = sys.exc_info()
    exc_info = error if error[0] else None
    return logger.makeRecord(
        logger.name, logging.WARNING, __file__, 1, message, arguments, exc_info, extra=extra
    )


def test_action_and_ids_follow_the_message() -> None:
    entry = written("Lost by %s", "a server", action="process_lost", process_pk=7, attempt=2)
    assert entry == "Lost by a server [process_lost process_pk=7 attempt=2]"


def test_a_record_of_a_library_is_written_without_them() -> None:
    assert written("Using selector: EpollSelector") == "Using selector: EpollSelector"


def test_ids_without_an_action_are_written_too() -> None:
    assert written("Found", target_pk=3) == "Found [target_pk=3]"


def test_a_traceback_follows_the_entry_with_its_action() -> None:
    try:
        raise ValueError("no such star")
    except ValueError:
        first, *traceback = written("It broke off", action="run_broke_off").splitlines()
    assert first == "It broke off [run_broke_off]"
    assert traceback[0] == "Traceback (most recent call last):"
    assert traceback[-1] == "ValueError: no such star"


def test_a_message_of_several_lines_stays_one_entry() -> None:
    assert written("one\ntwo", action="engine_said") == "one\ntwo [engine_said]"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("m13", "m13"),
        ("/api/targets/1/", "/api/targets/1/"),
        ("Größe", "Größe"),
        (None, "None"),
        ("", "''"),
        ("My pipeline", "'My pipeline'"),
        ("a]", "'a]'"),
        ("x attempt=1", "'x attempt=1'"),
        ("a\nb", r"'a\nb'"),
        ("\x1b[2J", r"'\x1b[2J'"),
        ("\x9b\u202e\u2028\ud800", r"'\x9b\u202e\u2028\ud800'"),
    ],
)
def test_an_id_cannot_pass_for_anything_else(value: object, expected: str) -> None:
    assert written("Seen", action="seen", pipeline=value) == f"Seen [seen pipeline={expected}]"


@given(st.text())
def test_whatever_an_id_holds_the_entry_is_one_printable_line(value: str) -> None:
    entry = written("Seen", action="seen", pipeline=value)
    assert entry.isprintable()
    assert entry.startswith("Seen [seen pipeline=")
    assert entry.endswith("]")


def test_the_fields_are_those_of_the_call_alone() -> None:
    record = a_record("Seen", action="seen", server_id="s1")
    TextFormatter().format(record)
    assert fields_of(record) == {"action": "seen", "server_id": "s1"}


@contextmanager
def root_logger(*handlers: logging.Handler) -> Iterator[logging.Logger]:
    """Give the root logger these handlers alone, without pytest's; yield it."""
    root = logging.getLogger()
    before, level = root.handlers, root.level
    root.handlers = list(handlers)
    try:
        yield root
    finally:
        root.handlers = before
        root.setLevel(level)


def test_the_log_goes_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with root_logger():
        set_up_logging()
        logging.getLogger("server.part").debug("left out", extra={"action": "left_out"})
        logging.getLogger("server.part").warning("kept", extra={"action": "kept"})
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(HEAD + r"kept \[kept\]\n", printed.err)


def test_a_log_that_is_set_up_already_is_left_alone() -> None:
    handler = logging.NullHandler()
    with root_logger(handler) as root:
        set_up_logging(logging.WARNING)
        assert root.handlers == [handler]
