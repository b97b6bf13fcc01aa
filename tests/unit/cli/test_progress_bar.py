"""The bar that shows how far a command is."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from server.cli.keeping.progress_bar import ProgressBar


def test_a_terminal_shows_what_is_done_of_how_much() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system=None)
    with ProgressBar(console) as progress:
        for number in range(1, 41):
            progress("Copying [files]", number, 40)
        progress("Comparing records", 1, None)
    assert "Copying [files]" in written.getvalue()
    assert "40/40" in written.getvalue()
    assert "Comparing records" in written.getvalue()


def test_nothing_is_shown_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as progress:
        progress("Copying files", 1, 2)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
