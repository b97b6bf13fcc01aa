"""A whole light curve as a file: CSV, or the AAVSO Extended File Format. Sent as it is read."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from handlers.api.light_curves import aavso
from server.archive.light_curves import LightCurves, Row

COLUMNS = ("time", "magnitude", "error", "filter", "process")
#: What spreadsheets take for a formula, and may carry out, where a text begins with it.
FORMULA = re.compile(r"[=+@-].", re.ASCII)
#: These are there if rows of the target were imported.
IMPORTED_COLUMNS = (*COLUMNS, "product", "flux", "limit")


@dataclass(frozen=True)
class Export:
    """What of a target's light curve is sent: with `left_out`, also what somebody has left out."""

    curves: LightCurves
    target: int
    left_out: bool

    async def as_csv(self) -> AsyncIterator[bytes]:
        """Yield the lines of a CSV file."""
        imports = await self.curves.has_imports(self.target)
        columns = IMPORTED_COLUMNS if imports else COLUMNS
        if self.left_out:
            columns = (*columns, "left_out")
        yield _table([columns])
        async for rows in self._rows():
            if rows:
                yield _table([[_cell(row, name) for name in columns] for row in rows])

    async def as_aavso(
        self, name: str, observer: str | None, observation_type: str
    ) -> AsyncIterator[bytes]:
        """Yield the lines of a file for the AAVSO; fluxes are none of its measurements."""
        yield aavso.header(observer, observation_type).encode()
        fluxes = 0
        async for rows in self._rows():
            magnitudes = [row for row in rows if row.magnitude is not None]
            fluxes += len(rows) - len(magnitudes)
            if magnitudes:
                yield "".join(aavso.line(name, row) for row in magnitudes).encode()
        if last := aavso.footer(fluxes):
            yield last.encode()

    def _rows(self) -> AsyncIterator[list[Row]]:
        return self.curves.all(self.target, left_out=self.left_out)


def _cell(row: Row, name: str) -> Any:
    value = getattr(row, name)
    if isinstance(value, str) and FORMULA.match(value):
        return f"'{value}"  # as spreadsheets mark what is a text
    return None if value is msgspec.UNSET else value


def _table(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
