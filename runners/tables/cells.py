"""The numbers in cells: decimal commas, limits, blanks, and the numbers that stand for blanks."""

from __future__ import annotations

import math
import re
from typing import Any, NamedTuple

#: What programs write where there is no value.
_BLANK = re.compile("[-\u2013\u2014.*?]*|n/?a|nan|null|none|indef", re.I)
_MINUS = str.maketrans("\N{MINUS SIGN}", "-")
_LIMIT = re.compile(r"^\s*(?:[<>≤≥]=?|\[)\s*")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d{1,3})?")
#: -99, -999.0, -9999 and the like: hardly a flux that was measured.
_FLUX_BLANK = re.compile(r"-9{2,}(?:\.(?:0*|9*))?")
#: 99.999, 9999: a flux may be that, but not if its error is unknown as well.
_NINES = re.compile(r"9{2,}(?:\.(?:0*|9*))?")
#: No magnitude is outside these, the Sun's included: 99, 99.999, 90, -99, -999 mean none.
BRIGHTEST, FAINTEST = -30.0, 40.0
#: DAOPHOT and its kin write 9.999 and 99.999 for an error that is not known.
_ERROR_BLANK = re.compile(r"-?9{1,}\.9{2,}|-?9{2,}(?:\.0*)?|-9{3,}.*")


class Cell(NamedTuple):
    """What a cell holds; neither `number` nor `wrong` means that it is blank."""

    number: float | None
    #: It is only a limit, as "<14.2".
    limit: bool = False
    #: It holds something that is no finite number.
    wrong: bool = False


BLANK, WRONG = Cell(None), Cell(None, wrong=True)


def is_blank(given: Any) -> bool:
    """Return whether a cell is empty, or holds what programs write instead."""
    if isinstance(given, float):
        return math.isnan(given)
    return given is None or (isinstance(given, str) and _BLANK.fullmatch(given.strip()) is not None)


def cell(given: Any, *, decimal_comma: bool = False) -> Cell:
    """Return what a cell of text, or a value of JSON, holds."""
    if not isinstance(given, str):
        return BLANK if is_blank(given) else _of_value(given)
    if not decimal_comma and (number := _plainly(given)) is not None:
        return Cell(number)
    if is_blank(given):
        return BLANK
    text = given.strip().translate(_MINUS)
    # Visual observers mark doubtful values with a colon: 12.3:
    bare = _LIMIT.sub("", text).rstrip(":")
    limit = bare != text and text[0] in "<>≤≥["
    if decimal_comma:
        bare = bare.replace(",", ".", 1)
    if not _NUMBER.fullmatch(bare):
        return WRONG
    number = float(bare.lower().replace("d", "e"))
    return Cell(number, limit) if math.isfinite(number) else WRONG


def _plainly(text: str) -> float | None:
    """Return the number that most cells are, fast; None for those that need a second look."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) and "_" not in text else None


def _of_value(given: Any) -> Cell:
    if isinstance(given, bool) or not isinstance(given, int | float):
        return WRONG
    try:
        number = float(given)
    except OverflowError:
        return WRONG
    return Cell(number) if math.isfinite(number) else WRONG


def stands_for_blank(given: Any, number: float, *, flux: bool, error: Any) -> bool:
    """Return whether a magnitude, or a flux, is one of the numbers that stand for none."""
    if not flux:
        return not BRIGHTEST <= number <= FAINTEST
    text = str(given).strip()
    if _FLUX_BLANK.fullmatch(text):
        return True
    return _NINES.fullmatch(text) is not None and (is_blank(error) or error_stands_for_blank(error))


def error_stands_for_blank(given: Any) -> bool:
    """Return whether an error is one of the numbers that stand for an unknown one."""
    return _ERROR_BLANK.fullmatch(str(given).strip()) is not None
