"""Tables in the formats of archives: IPAC, ECSV, CDS, SExtractor and VOTable, read by astropy.

Import it where it is needed: astropy takes a third of a second.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from astropy.io import ascii as tables
from astropy.io import votable
from astropy.table import Table as AstropyTable

from runners.tables.table import MOST_COLUMNS, VOTABLE, Row, Table
from runners.tables.text import TableError

SAMPLE_ROWS = 60


def structured(text: str, name: str, form: str, *, cut: bool = False) -> Table:
    """Return the table of a text in one of the `formats`. Raise TableError if it is broken."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _read(text, form)
    except MemoryError:
        raise
    except Exception as error:  # astropy raises whatever its parsers come upon
        reason = " ".join(str(error).split())[:200]
        raise TableError(name, f"cannot be read as {form}: {reason}") from error
    return as_table(found, name, cut=cut)


def _read(text: str, form: str) -> AstropyTable:
    if form == VOTABLE:
        whole = votable.parse(io.BytesIO(text.encode()), verify="ignore")
        return whole.get_first_table().to_table(use_names_over_ids=True)
    return tables.read(text.splitlines(), format=form, guess=False)


def as_table(found: AstropyTable, name: str, *, cut: bool = False) -> Table:
    """Return an astropy table as one of ours, blanks as None."""
    names = list(found.colnames)[:MOST_COLUMNS]
    columns = [_plain(found[each]) for each in names]
    units = {at: str(found[each].unit) for at, each in enumerate(names) if found[each].unit}
    sample = [[column[at] for column in columns] for at in range(min(len(found), SAMPLE_ROWS))]
    return Table(name, names, list(sample), _rows(columns), units=units, cut=cut)


def _rows(columns: list[list[Any]]) -> Iterator[Row]:
    for number, cells in enumerate(zip(*columns, strict=True), 1):
        yield Row(cells, number)


def _plain(column: Any) -> list[Any]:
    """Return a column's values as Python has them; float32 as the shortest text says it."""
    if getattr(column, "ndim", 1) > 1 or column.dtype == object:
        return [_text(value) for value in column]
    filled = np.ma.asarray(column)
    values: list[Any] = filled.tolist()
    if filled.dtype == np.float32:
        values = [value if value is None else float(str(np.float32(value))) for value in values]
    return [_text(value) for value in values] if filled.dtype.kind == "S" else values


def _text(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return f"[{value.size} values]"
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, str | int | float) else str(value)
