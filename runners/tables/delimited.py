"""Delimited text: which character delimits, where the names are, what the comments state.

The rows are parsed by the standard library's `csv`, which reads ragged rows too: a row that is cut
short lacks its last cells, and nothing else is lost.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from runners.tables.cells import cell
from runners.tables.table import MOST_COLUMNS, Row, Table
from runners.tables.text import NoTable, TableError
from runners.tables.times import date_mjd

#: How many lines the dialect is told from, and how much of each.
SAMPLE_LINES = 60
LONGEST_LINE = 1_000_000
LONGEST_NAME = 100
MOST_COMMENTS = 500
_COMMENTS = ("#", "%", "!", "//", "\\")
_BLANK_DELIMITED = " "
_DELIMITERS = ("\t", ";", "|", ",", _BLANK_DELIMITED)
#: The names of AAVSO's extended format.
_DELIMITER_NAMES = {"comma": ",", "tab": "\t", "space": " ", "semicolon": ";", "pipe": "|"}
_FACT = re.compile(r"^[#%!]+\s*([A-Za-z][\w -]{0,40}?)\s*[=:]\s*(.*)$")
_DECIMAL_COMMA = re.compile(r"\s*[<>]?[+-]?\d+,\d+\s*")
_DECIMAL_POINT = re.compile(r"\s*[<>]?[+-]?\d*\.\d+\s*")


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    decimal_comma: bool
    width: int


def delimited(text: str, name: str, *, cut: bool = False) -> Table:
    """Return the table that a text holds. Raise TableError if it holds none.

    `rows` raises it too, with the line, for one that cannot be parsed.
    """
    comments, facts, lines = _beginning(text)
    if not lines:
        raise NoTable(name)
    dialect = _dialect([line for _, line in lines], facts, name)
    head, first = _heading(lines, comments, dialect, name)
    sample = [row.cells for row in islice(_rows(text, first, dialect, name), SAMPLE_LINES)]
    return Table(
        name=name,
        columns=[column.strip()[:LONGEST_NAME] for column in head[:MOST_COLUMNS]],
        sample=sample,
        rows=_rows(text, first, dialect, name),
        # Siril's tables have no names, but say above what their times count from.
        units={} if head or not comments else {0: comments[-1].lstrip("#%!/\\ ")[:LONGEST_NAME]},
        facts=facts,
        decimal_comma=dialect.decimal_comma,
        cut=cut,
        most_rows=text.count("\n") + text.count("\r") + 1,
    )


def _is_comment(line: str) -> bool:
    return line.lstrip().startswith(_COMMENTS)


def _beginning(text: str) -> tuple[list[str], dict[str, str], list[tuple[int, str]]]:
    """Return the comments before the rows, the facts in them, and the first lines of the rows."""
    comments: list[str] = []
    facts: dict[str, str] = {}
    lines: list[tuple[int, str]] = []
    for number, line in enumerate(io.StringIO(text, newline=None)):
        if not line.strip():
            continue
        if not _is_comment(line):
            lines.append((number, line))
            if len(lines) == SAMPLE_LINES:
                break
        elif len(comments) < MOST_COMMENTS and not lines:
            comments.append(line.strip()[:LONGEST_LINE])
            if match := _FACT.match(comments[-1][:500]):
                facts[match[1].strip().upper()] = match[2].strip()
    return comments, facts, lines


def _dialect(lines: list[str], facts: dict[str, str], name: str) -> _Dialect:
    stated = facts.get("DELIM", "")
    stated = _DELIMITER_NAMES.get(stated.lower(), stated) if stated else ""
    candidates = (stated,) if stated in _DELIMITERS else _DELIMITERS
    # The first line may be a header, and the last of a cut text half a row.
    judged = [_judged(lines[1:] or lines, candidate) for candidate in candidates]
    score, dialect = max(judged, key=lambda pair: pair[0])
    if score <= 0:
        score, dialect = max(
            (_judged_by_width(lines, candidate) for candidate in candidates),
            key=lambda pair: pair[0],
        )
    if score <= 0:
        raise NoTable(name)
    return dialect


def _judged(lines: list[str], delimiter: str) -> tuple[float, _Dialect]:
    """Return how much of the lines are numbers in columns if this delimits."""
    rows = [_split(line, delimiter) for line in lines]
    width, as_wide = Counter(len(row) for row in rows).most_common(1)[0]
    cells = [text for row in rows for text in row[:50] if text.strip()]
    decimal_comma = _has_decimal_comma(cells)
    numbers = sum(_is_number(text, decimal_comma) for text in cells)
    regular = as_wide / len(rows)
    share = numbers / max(len(cells), 1)
    # Sentences have blanks too, but not as many in each, and few numbers.
    if width < 2 or (delimiter == _BLANK_DELIMITED and min(regular, 2 * share) < 0.5):
        return 0.0, _Dialect(delimiter, decimal_comma, width)
    return share * regular, _Dialect(delimiter, decimal_comma, width)


def _judged_by_width(lines: list[str], delimiter: str) -> tuple[float, _Dialect]:
    """Return how regular a table of words, or a header alone, is if this delimits."""
    rows = [_split(line, delimiter) for line in lines]
    width, as_wide = Counter(len(row) for row in rows).most_common(1)[0]
    regular = width > 1 and as_wide == len(rows)
    prose = delimiter == _BLANK_DELIMITED
    return float(width if regular and not prose else 0), _Dialect(delimiter, False, width)


def _split(line: str, delimiter: str) -> list[str]:
    """Return the cells of one line, for judging it; an odd quote is taken as it is."""
    line = line.rstrip("\r\n")[:LONGEST_LINE]
    if delimiter == _BLANK_DELIMITED:
        return line.split()
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return line.split(delimiter)


def _has_decimal_comma(cells: list[str]) -> bool:
    commas = sum(_DECIMAL_COMMA.fullmatch(text) is not None for text in cells)
    points = sum(_DECIMAL_POINT.fullmatch(text) is not None for text in cells)
    return commas > points


def _is_number(text: str, decimal_comma: bool) -> bool:
    return cell(text, decimal_comma=decimal_comma).number is not None or (
        len(text) < 50 and date_mjd(text) is not None
    )


def _heading(
    lines: list[tuple[int, str]], comments: list[str], dialect: _Dialect, name: str
) -> tuple[list[str], int]:
    """Return the names of the columns, and the index of the first line of the rows.

    The names are in the first line that is as wide as the rows, or in a comment before them.
    """
    for number, line in lines:
        row = _split(line, dialect.delimiter)
        if abs(len(row) - dialect.width) > 1:
            continue  # a title above the table
        if _is_header(row, dialect):
            return row, number + 1
        return _names_in(comments, dialect), number
    raise NoTable(name)


def _is_header(row: list[str], dialect: _Dialect) -> bool:
    numbers = sum(_is_number(text, dialect.decimal_comma) for text in row)
    return not numbers or (len(row) > 8 and numbers <= len(row) / 8)


def _names_in(comments: list[str], dialect: _Dialect) -> list[str]:
    # A title has blanks, too: where they delimit, only the line above the rows may be the names.
    above = comments[-1:] if dialect.delimiter == _BLANK_DELIMITED else comments
    for comment in reversed(above):
        row = _split(comment.lstrip("#%!/\\ "), dialect.delimiter)
        named = all(any(map(str.isalpha, name)) for name in row if name.strip())
        if len(row) == dialect.width and len(row) > 1 and named and _is_header(row, dialect):
            return row
    return []


def _rows(text: str, first: int, dialect: _Dialect, name: str) -> Iterator[Row]:
    lines = (
        line
        for number, line in enumerate(io.StringIO(text, newline=None))
        if number >= first and line.strip() and not _is_comment(line)
    )
    number = 0
    try:
        if dialect.delimiter == _BLANK_DELIMITED:
            for number, line in enumerate(lines, 1):
                yield Row(line.split(maxsplit=MOST_COLUMNS), number)
            return
        reader = csv.reader(lines, delimiter=dialect.delimiter, skipinitialspace=True)
        for number, cells in enumerate(reader, 1):
            yield Row(cells[:MOST_COLUMNS], number)
    except csv.Error as error:
        raise TableError(name, f"cannot be read after row {number}: {error}") from error
