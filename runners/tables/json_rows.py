"""Tables in JSON: an object, or a list of objects, each a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from runners.tables.table import MOST_COLUMNS, Row, Table
from runners.tables.text import TableError

SAMPLE_ROWS = 60


def from_json(text: str, name: str) -> Table:
    """Return the table of a JSON text. Raise TableError for anything else."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TableError(name, f"is no JSON: {error!s:.200}") from error
    rows = given if isinstance(given, list) else [given]
    if not all(isinstance(row, dict) for row in rows):
        raise TableError(name, "is no list of objects")
    columns = list(dict.fromkeys(key for row in rows for key in islice(row, MOST_COLUMNS)))
    columns = columns[:MOST_COLUMNS]
    sample = [[row.get(column) for column in columns] for row in rows[:SAMPLE_ROWS]]
    return Table(name, columns, list(sample), _rows(rows, columns))


def _rows(rows: list[dict[str, Any]], columns: list[str]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        yield Row([row.get(column) for column in columns], number)
