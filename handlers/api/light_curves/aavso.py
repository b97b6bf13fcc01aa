"""A light curve in the AAVSO Extended File Format, which WebObs takes.

https://www.aavso.org/aavso-extended-file-format
"""

from __future__ import annotations

import re

from server.archive.light_curves import Row
from server.core.version import version

DELIMITER = ","
#: The Julian Date from which Modified Julian Dates count.
JD_OF_MJD = 2_400_000.5
UNKNOWN = "na"
_SPECIAL = f'{DELIMITER}"'
_COMMENTS = "#%!/\\ "
#: With what formulas begin, which spreadsheets may carry out.
_FORMULAS = "=+-@"
#: An observer's code as the AAVSO gives them.
OBSERVER = re.compile(r"[A-Za-z0-9]{1,10}", re.ASCII)
OBSERVATION_TYPES = ("CCD", "DSLR", "PEP", "VISDIG")
COLUMNS = (
    *("NAME", "DATE", "MAG", "MERR", "FILT", "TRANS", "MTYPE", "CNAME", "CMAG", "KNAME", "KMAG"),
    *("AMASS", "GROUP", "CHART", "NOTES"),
)
#: The AAVSO's names of filters, and what others call them. Case counts: R is Cousins, r is Sloan.
_CODES = frozenset(
    (
        *("U", "B", "V", "R", "I", "J", "H", "K", "TB", "TG", "TR", "CV", "CR", "CBB"),
        *("SU", "SG", "SR", "SI", "SZ", "STU", "STV", "STB", "STY", "STHBW", "STHBN"),
        *("MA", "MB", "MI", "ZS", "Y", "HA", "HAC", "O"),
    )
)
_NAMES = {
    **{name: code for code in "ugriz" for name, code in ((code, f"S{code.upper()}"),)},
    **{f"{letter}{mark}": f"S{letter.upper()}" for letter in "ugriz" for mark in ("'", "p")},
    **{f"SDSS-{letter}": f"S{letter.upper()}" for letter in "ugriz"},
    **{f"sdss{letter}": f"S{letter.upper()}" for letter in "ugriz"},
    **dict.fromkeys(("Rc", "RC", "Cousins R"), "R"),
    **dict.fromkeys(("Ic", "IC", "Cousins I"), "I"),
    **{f"Johnson {letter}": letter for letter in "UBV"},
    **{f"Bessell-{letter}": letter for letter in "UBVRI"},
    **{"zs": "ZS", "Zs": "ZS", "H-alpha": "HA", "Halpha": "HA", "Ha": "HA"},
    **dict.fromkeys(("C", "clear", "Clear", "L", "Lum", "Luminance"), "CV"),
}


def header(observer: str | None, observation_type: str) -> str:
    """Return the lines before the measurements."""
    lines = (
        "#TYPE=EXTENDED",
        f"#OBSCODE={observer or UNKNOWN}",
        f"#SOFTWARE=Heliograph {version()}",
        f"#DELIM={DELIMITER}",
        "#DATE=JD",
        f"#OBSTYPE={observation_type}",
        f"#{DELIMITER.join(COLUMNS)}",
    )
    return "".join(f"{line}\n" for line in lines)


def line(name: str, row: Row) -> str:
    """Return the line of a magnitude; a limit is "<mag", as the star was fainter than that."""
    assert row.magnitude is not None
    code, notes = _filter(row.filter)
    if row.process is not None:
        notes.append(f"run {row.process}")
    cells = {
        "NAME": _text(name).lstrip(_COMMENTS + _FORMULAS) or UNKNOWN,
        "DATE": f"{row.time + JD_OF_MJD:.8f}",
        "MAG": f"{'<' if row.limit is True else ''}{_decimal(row.magnitude)}",
        "MERR": UNKNOWN if row.error is None else _decimal(row.error),
        "FILT": code,
        "TRANS": "NO",
        "MTYPE": "STD",
        "NOTES": "; ".join(notes) or UNKNOWN,
    }
    return DELIMITER.join(cells.get(column, UNKNOWN) for column in COLUMNS) + "\n"


def footer(fluxes: int) -> str:
    """Return the comment on the measurements that are not magnitudes, if there are any."""
    return f"# Without {fluxes} measurements of flux, which are not magnitudes\n" if fluxes else ""


def _filter(name: str | None) -> tuple[str, list[str]]:
    """Return the AAVSO's name of a filter, and what the notes say of another one."""
    if not name:
        return UNKNOWN, []
    code = name if name in _CODES else _NAMES.get(name)
    return (code, []) if code else ("O", [f"filter {_text(name)}"])


def _text(text: str) -> str:
    """Return a text without delimiters, quotes, line ends and other control characters.

    Nor does it begin as a comment does, for this format or for other readers of tables.
    """
    plain = "".join(c if c.isprintable() and c not in _SPECIAL else " " for c in text)
    return " ".join(plain.split()).lstrip(_COMMENTS)


def _decimal(number: float) -> str:
    """Return a number with up to six decimals, at least one."""
    digits = f"{number:.6f}".rstrip("0")
    return f"{digits}0" if digits.endswith(".") else digits
