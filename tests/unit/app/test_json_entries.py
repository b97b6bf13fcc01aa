"""The log as JSON: one valid object a line, whatever a record holds."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.app import logging_setup
from server.app.json_entries import (
    FIELD_CHARACTERS,
    MESSAGE_CHARACTERS,
    TRACEBACK_CHARACTERS,
    JsonFormatter,
)
from server.app.logging_setup import STANDARD, TextFormatter, log_everything, set_up_logging


def entry_of(message: object, *arguments: object, error: Any = None, **extra: Any) -> Any:
    """Return the decoded entry that a logger call makes; it must be one line of strict JSON."""
    logger = logging.getLogger("server.part")
    exc_info = (type(error), error, error.__traceback__) if error is not None else None
    record = logger.makeRecord(
        logger.name, logging.WARNING, __file__, 1, message, arguments, exc_info, extra=extra
    )
    line = JsonFormatter(STANDARD).format(record)
    assert line.isascii()
    assert line.splitlines() == [line]
    # A strict decoder refuses lone surrogates and NaN, which Python's own takes.
    return msgspec.json.decode(line.encode())


def test_an_entry_has_time_level_logger_message_action_and_ids() -> None:
    entry = entry_of("Lost by %s", "a server", action="run_lost", process_pk=7, waited=0.5)
    time = datetime.fromisoformat(entry.pop("time"))
    assert time.utcoffset() is not None
    assert time.timestamp() == pytest.approx(entry.pop("timestamp"), abs=1e-5)
    assert entry == {
        "level": "warning",
        "logger": "server.part",
        "message": "Lost by a server",
        "action": "run_lost",
        "process_pk": 7,
        "waited": 0.5,
    }


def test_details_are_fields_in_json_and_not_repeated_in_text() -> None:
    entry = entry_of("GET /", action="request", details={"status": 200, "path": "/"})
    assert (entry["status"], entry["path"]) == (200, "/")
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "INFO", "msg": "GET /", "action": "request", "details": {"a": 1}}
    )
    assert TextFormatter().format(record).endswith("GET / [request]")


def test_a_field_cannot_pass_for_another() -> None:
    entry = entry_of("true words", action="seen", details={"level": "forged", "time": 1})
    assert (entry["level"], entry["extra_level"], entry["extra_time"]) == ("warning", "forged", 1)


def test_a_traceback_is_in_the_entry() -> None:
    try:
        raise ValueError("no such star\n\ud800")
    except ValueError as error:
        entry = entry_of("It broke off", error=error, action="run_broke_off")
    assert entry["traceback"].startswith("Traceback (most recent call last):\n")
    assert entry["traceback"].endswith("ValueError: no such star\n\ufffd")


class Unprintable:
    """Raises when it is shown."""

    def __str__(self) -> str:
        raise RuntimeError("never")

    __repr__ = __str__


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("never")


@pytest.mark.parametrize(
    ("message", "arguments"),
    [("%d stars", ("many",)), ("%s %s", ("one",)), (Unprintable(), ()), ("%s", (Unprintable(),))],
)
def test_a_call_that_cannot_be_shown_is_still_an_entry(message: Any, arguments: Any) -> None:
    assert entry_of(message, *arguments, action="odd")["action"] == "odd"


def test_values_and_errors_that_cannot_be_shown_are_named() -> None:
    entry = entry_of("x", action="odd", value=Unprintable(), error=UnprintableError())
    assert "Unprintable" in entry["value"]
    assert "Error" in entry["traceback"]


@pytest.mark.parametrize(
    "number",
    [float("nan"), float("inf"), 2**70, -(2**70), pytest.param(2**20_000, id="many digits")],
)
def test_numbers_that_json_does_not_have_are_texts(number: float) -> None:
    assert isinstance(entry_of("x", action="odd", number=number)["number"], str)


def test_huge_values_are_cut_at_a_bound() -> None:
    try:
        raise ValueError("e" * 10**6)
    except ValueError as error:
        entry = entry_of("m" * 10**6, action="huge", value="v" * 10**6, error=error)
    assert len(entry["message"]) < MESSAGE_CHARACTERS + 50
    assert len(entry["value"]) < FIELD_CHARACTERS + 50
    assert len(entry["traceback"]) < TRACEBACK_CHARACTERS + 50


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
surrogates = st.text(st.characters(codec=None, categories=["Cs", "Cc", "Zl", "Zp", "L"]))


@settings(max_examples=40)
@given(st.text() | surrogates, anything | surrogates, st.dictionaries(st.text(), anything))
def test_whatever_comes_the_entry_is_one_line(message: str, value: Any, details: Any) -> None:
    entry = entry_of("%s", message, action="seen", value=value, details=details)
    assert entry["action"] == "seen" or "action" in details
    assert entry["level"] == "warning"


@contextmanager
def standard_error(stream: io.StringIO) -> Iterator[None]:
    """Give the log this stream; undo afterwards what setting up changes."""
    root = logging.getLogger()
    before, level = root.handlers, root.level  # those of pytest
    libraries = {name: logging.getLogger(name).level for name in logging_setup.QUIET_LIBRARIES}
    root.handlers = []
    with pytest.MonkeyPatch.context() as patch:
        hooks = ((sys, "excepthook"), (sys, "unraisablehook"), (threading, "excepthook"))
        for module, name in hooks:
            patch.setattr(module, name, getattr(module, name))
        patch.setattr(sys, "stderr", stream)
        yield
    logging.captureWarnings(False)
    root.handlers = before
    root.setLevel(level)
    for name, old in libraries.items():
        logging.getLogger(name).setLevel(old)


def test_everything_that_is_said_is_an_entry() -> None:
    stream = io.StringIO()
    with standard_error(stream), warnings.catch_warnings():
        set_up_logging(logging.INFO, "json")
        log_everything()
        warnings.simplefilter("always")
        warnings.warn("old\nhat", DeprecationWarning, stacklevel=1)
        thread = threading.Thread(target=lambda: [][1])
        thread.start()
        thread.join()
        sys.excepthook(ValueError, ValueError("uncaught"), None)
        sys.unraisablehook(a_failed_destructor())
        logging.getLogger("server.part").debug("left out", extra={"action": "left_out"})
    entries = [json.loads(line) for line in stream.getvalue().splitlines()]
    ours = "server.app.logging_setup"
    assert [entry["logger"] for entry in entries] == ["py.warnings", ours, ours, ours]
    assert "old\nhat" in entries[0]["message"]
    assert "IndexError" in entries[1]["traceback"]
    assert entries[2]["level"] == "critical"
    assert entries[3]["action"] == "error_not_raised"


def a_failed_destructor() -> Any:
    """Return what Python passes on when a destructor raises."""

    class Raised:
        exc_type, exc_value, exc_traceback = ValueError, ValueError("in __del__"), None
        err_msg, object = None, Unprintable()

    return Raised()


def test_libraries_that_log_documents_and_urls_are_kept_quiet() -> None:
    stream = io.StringIO()
    with standard_error(stream):
        set_up_logging(logging.DEBUG, "json")
        logging.getLogger("pymongo.command").debug('{"find": "tokens"}')
        logging.getLogger("httpx").info("HTTP Request: POST https://hooks.example/secret")
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "no_colour", "coloured"),
    [(Terminal(), "", True), (Terminal(), "1", False), (io.StringIO(), "", False)],
)
def test_colours_are_for_terminals_alone(
    stream: io.StringIO, no_colour: str, coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", no_colour)
    with standard_error(stream):
        set_up_logging()
        logging.getLogger("server.part").error("broken", extra={"action": "broken"})
    written = stream.getvalue()
    assert ("\x1b[31mERROR\x1b[0m server.part: broken [broken]" in written) == coloured
    assert ("\x1b" in written) == coloured
    assert re.sub(r"\x1b\[\d*m", "", written).endswith("ERROR server.part: broken [broken]\n")
