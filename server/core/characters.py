"""Which characters a name cannot have, whether of a target, a group or a file."""

from __future__ import annotations

import unicodedata

#: What changes the direction of the text around it, so that a name shows as another:
#: `a<U+202E>vsc.exe` as `aexe.csv`. Unicode Standard Annex 9, section 2.
DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")

#: A name without any of these, and not of spaces alone, as JSON Schema and ECMA-262 write it.
NAME_PATTERN = "^[^{0}]*[^{0}\\s][^{0}]*$".format(
    r"\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
)

FORBIDDEN = "control characters, or characters that change the direction of text"


def is_forbidden(character: str) -> bool:
    """Return whether no name can have this character."""
    # Cc are control characters, Cs lone surrogates, which have no UTF-8.
    return unicodedata.category(character) in ("Cc", "Cs") or character in DIRECTIONS
