"""Which format a text has: one of those that archives define, JSON, or delimited text."""

from __future__ import annotations

import re

from runners.tables.delimited import delimited
from runners.tables.json_rows import from_json
from runners.tables.table import CDS, ECSV, IPAC, SEXTRACTOR, VOTABLE, Table
from runners.tables.text import TableError

#: How far to look.
_START = 8_192
_SIGNS = (
    (ECSV, re.compile(r"^# %ECSV", re.M)),
    (VOTABLE, re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<VOTABLE\b", re.S | re.I)),
    (IPAC, re.compile(r"\A(\\[^\n]*\n|\s*\n)*\|[^\n|]+(\|[^\n|]*)*\|\s*\n\|", re.S)),
    (CDS, re.compile(r"^Byte-by-byte Description of file", re.M | re.I)),
    (SEXTRACTOR, re.compile(r"\A(#\s+\d+\s+[A-Z]\w*[^\n]*\n){2}")),
)


def format_of(text: str) -> str | None:
    """Return which of the archives' formats a text has, None for any other."""
    start = text[:_START]
    for form, sign in _SIGNS:
        if sign.match(start) if form in (VOTABLE, IPAC, SEXTRACTOR) else sign.search(start):
            return form
    return None


def parse(text: str, name: str, *, cut: bool = False) -> Table:
    """Return the table that a text holds. Raise TableError if it holds none."""
    if form := format_of(text):
        from runners.tables.structured import structured

        return structured(text, name, form, cut=cut)
    start = text[:_START].lstrip()
    if start.startswith("<"):
        raise TableError(name, "is XML or HTML, but not a VOTable")
    if start[:1] in ("{", "["):
        return from_json(text, name)
    return delimited(text, name, cut=cut)
