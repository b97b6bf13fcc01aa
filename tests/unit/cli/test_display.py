"""What a run looks like in a terminal and elsewhere."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from server.cli.display import TerminalView


def shown(*entries: list[Any], terminal: bool = False, **record: Any) -> str:
    """Return what is written for these entries and a record with these fields."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=60, highlight=False)
    known = {"identifier": "dummy_m13", "status": "Measuring", "progress": None}
    with TerminalView(console) as view:
        view.record(known | record)
        for entry in entries:
            view.line(entry)
    return written.getvalue()


def entry(text: str, level: str = "info", *unended: bool) -> list[Any]:
    return [1, 1.5, level, text, *unended]


def test_the_log_is_written_line_by_line_and_nothing_else_where_nobody_looks() -> None:
    lines = [entry("one"), entry(""), entry("[bold]two[/bold] :star:", "error")]
    assert shown(*lines) == "one\n\n[bold]two[/bold] :star:\n"


def test_a_long_line_is_not_broken() -> None:
    assert shown(entry("x " * 200)) == "x " * 200 + "\n"


def test_pieces_of_a_line_are_put_together() -> None:
    pieces = [entry("a", "info", True), entry("b", "info", True), entry("c")]
    assert shown(*pieces) == "abc\n"
    assert shown(entry("never ended", "info", True)) == "never ended\n"


def test_what_would_move_the_cursor_is_shown_as_such() -> None:
    assert shown(entry("a\x1b[2Jb\rc\x9b1m")) == "a\ufffd[2Jb\ufffdc\ufffd1m\n"


def test_a_terminal_shows_status_and_progress() -> None:
    written = shown(terminal=True, progress={"done": 3.0, "total": 8.0})
    assert "dummy_m13: Measuring" in written
    assert "3/8" in written
    assert "dummy_m13: \ufffd[0m" in shown(terminal=True, status="\x1b[0m")
