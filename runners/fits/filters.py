"""The filter of an exposure, by the keywords that observatories use.

Wheels in series have a keyword each, and most of them are open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

#: Keywords of the filter, in this order; those of wheels (FILTER1, FILTER2, …) come in between.
NAMED = ("FILTER", "FILTERS", "FILTNAM", "FILTNAME", "FILTERID", "INSFILTE", "FILT", "FILTER-ID",
         "FLTNM", "FILTBAND", "BAND")  # fmt: skip
WHEELS = tuple(
    (f"FILTER{n}", f"FILTER0{n}", f"FILTNAM{n}", f"FILTNM{n}", f"FILT{n}", f"FILTERID{n}",
     f"FILTER_{n}", f"FILTERN{n}", f"ESO INS FILT{n} NAME")
    for n in range(1, 7)
)  # fmt: skip
_KEYWORDS = frozenset(NAMED).union(*WHEELS)
#: What stands for no filter at all …
_NONE = re.compile(
    r"<?\s*(no[\s_-]*filter|none|null|n/?a|air|open|empty|unknown|undefined|blank)\s*>?|[-_.?]*",
    re.IGNORECASE,
)
#: … and what does so beside another filter, but is the name of one where it is the only one.
_CLEAR = re.compile(r"clear\d*[a-z]?|clr|free|hole|blank\d*|pupil", re.IGNORECASE)
_LONGEST = 200


def filter_of(headers: Iterable[Mapping[str, object]]) -> str | None:
    """Return the filter by the first of these headers that tells it, None if none does.

    Several filters in the light's way are joined by ` + `.
    """
    for header in headers:
        if _KEYWORDS.isdisjoint(header):  # which is sooner known than that of each keyword
            continue
        names = [name for key in NAMED if (name := _name(header.get(key)))]
        wheels = [_first(header, keys) for keys in WHEELS]
        there = [name for name in wheels if name]
        coloured = [name for name in there if not _CLEAR.fullmatch(name)]
        named = next((name for name in names if not _CLEAR.fullmatch(name)), None)
        joined = " + ".join(dict.fromkeys(coloured))
        found = named or joined or next(iter(names + there), None)
        if found:
            return found[:_LONGEST]
    return None


def _first(header: Mapping[str, object], keys: Iterable[str]) -> str | None:
    return next((name for key in keys if (name := _name(header.get(key)))), None)


def _name(value: object) -> str | None:
    """Return a filter's name; of a list such as `air,air,B` those that are filters."""
    if value is None or isinstance(value, bool):
        return None
    parts = [part.strip() for part in re.split(r"[,;|]", str(value))]
    return " + ".join(part for part in parts if not _NONE.fullmatch(part)) or None
