"""By which streams the server tells the writers of a run apart."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pytest

from runners.execution.reporter import WHOLE_LINES, PipeReporter


def said_by_a_thread(text: str, stream: str, level: str) -> list[Any]:
    """Return the message of a thread other than the main one."""
    reading, writing = os.pipe()
    reporter = PipeReporter(writing, main=threading.get_ident())
    thread = threading.Thread(target=reporter.text, args=(text, stream, level))
    thread.start()
    thread.join()
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        return list(json.loads(pipe.read()))


def test_a_progress_bar_of_a_thread_keeps_its_stream() -> None:
    assert said_by_a_thread("\r100 %\n", "stderr", "warning")[1].endswith("/stderr")


@pytest.mark.parametrize(
    ("text", "stream"), [("no stars\n", "stderr"), ("\r100 %\n", "stdout"), ("a\rb\n", "logging")]
)
def test_other_whole_lines_of_a_thread_share_one(text: str, stream: str) -> None:
    assert said_by_a_thread(text, stream, "warning")[1] == WHOLE_LINES
