"""What a run looks like in a terminal: its log above, one line of status and progress below.

Where nobody looks (a pipe, a file) there is the log alone.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

STYLES = {"error": "red", "warning": "yellow", "debug": "dim"}
#: Characters that move the cursor or do worse in a terminal.
_CONTROLS = {code: "\ufffd" for code in (*range(32), 127, *range(128, 160)) if code != 9}


class TerminalView:
    """A display to be entered with `with`, fed with log entries and records as the API has them."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = Console(highlight=False) if console is None else console
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("pending", total=None)
        self._unended: list[str] = []

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._unended:
            self._show("".join(self._unended), "info")
        self._progress.stop()

    def say(self, text: str, style: str = "") -> None:
        """A line of the command's own."""
        self._console.print(Text(text.translate(_CONTROLS), style), soft_wrap=True)

    def line(self, entry: list[Any]) -> None:
        """A log entry; pieces of a line wait for its end."""
        self._unended.append(str(entry[3]))
        if len(entry) < 5:
            self._show("".join(self._unended), str(entry[2]))
            self._unended.clear()

    def record(self, record: dict[str, Any]) -> None:
        """A record of the process, of now."""
        progress = record["progress"] or {"done": 0, "total": None}
        self._progress.update(
            self._task,
            description=f"{record['identifier']}: {record['status']}".translate(_CONTROLS),
            completed=progress["done"],
            total=progress["total"],
        )

    def _show(self, text: str, level: str) -> None:
        self.say(text, STYLES.get(level, ""))
