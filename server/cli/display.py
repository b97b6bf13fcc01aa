"""The display of a run in a terminal: the log, and below it a line with status and progress.

If the output is not a terminal, only the log is written.
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
#: Characters that move the cursor of a terminal, or worse.
_CONTROLS = {code: "\ufffd" for code in (*range(32), 127, *range(128, 160)) if code != 9}


class TerminalView:
    """A display, entered by `with`, of log entries and records as the API returns them."""

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
            self._write("".join(self._unended), "info")
        self._progress.stop()

    def message(self, text: str, style: str = "") -> None:
        """Write a line of the command itself."""
        self._console.print(Text(text.translate(_CONTROLS), style), soft_wrap=True)

    def line(self, entry: list[Any]) -> None:
        """Write a log entry; parts of a line are held until its end arrives."""
        self._unended.append(str(entry[3]))
        if len(entry) < 5:
            self._write("".join(self._unended), str(entry[2]))
            self._unended.clear()

    def record(self, record: dict[str, Any]) -> None:
        """Show the status and the progress in a record of the process."""
        progress = record["progress"] or {"done": 0, "total": None}
        self._progress.update(
            self._task,
            description=f"{record['identifier']}: {record['status']}".translate(_CONTROLS),
            completed=progress["done"],
            total=progress["total"],
        )

    def _write(self, text: str, level: str) -> None:
        self.message(text, STYLES.get(level, ""))
