"""A table as it was read: names, rows of cells, and what its comments state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

#: The formats that archives define, as astropy calls them.
IPAC, ECSV, CDS, SEXTRACTOR, VOTABLE = "ipac", "ecsv", "cds", "sextractor", "votable"
#: Columns beyond these are not looked at.
MOST_COLUMNS = 1_000


class Row(NamedTuple):
    """A row, and its number among the rows, from 1; names and comments are none."""

    cells: Sequence[Any]
    number: int


@dataclass(frozen=True)
class Table:
    """The columns, their `units` if any, and the rows, which can be iterated over once.

    `columns` is empty for a table without a header. `sample` holds its first rows. `facts` are
    those that comments state, as `#DATE=JD` does, by their names in upper case. `cut` means that
    the file goes on.
    """

    name: str
    columns: list[str]
    sample: list[Sequence[Any]]
    rows: Iterator[Row]
    units: Mapping[int, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    decimal_comma: bool = False
    cut: bool = False
    #: How many rows there are at most, if that is known without reading them.
    most_rows: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it has neither columns nor rows."""
        return not self.columns and not self.sample

    def column(self, place: int) -> str:
        """Return what a column is called: its name, or its number from 1."""
        named = self.columns[place] if place < len(self.columns) else ""
        return named or f"{place + 1}"
