"""The headers of a FITS file for display: keyword, value and comment, HDU by HDU.

No pixel is read, and of an endless header only the beginning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from astropy.io import fits

from runners.fits.cards import Card, displayed
from runners.fits.files import open_fits, quiet, walk

MOST_HDUS = 100
MOST_CARDS = 2000
MOST_CHARACTERS = 200


def fits_headers(path: str | Path) -> dict[str, Any]:
    """Return `hdus`, each with `name`, `kind` and `cards`, a list of [keyword, value, comment].

    All of these are text, and `cut` says whether there is more. Raise ValueError, with a sentence
    that names the file, if it is not FITS or cannot be read.
    """
    path = Path(path)
    found: list[dict[str, Any]] = []
    room = MOST_CARDS
    with quiet(), open_fits(path, path.name) as hdus:
        for _, hdu in walk(hdus):
            if room <= 0 or len(found) == MOST_HDUS:
                return {"hdus": found, "cut": True}
            cards, count = displayed(hdu, room)
            shown = [_texts(card) for card in cards]
            cut = count > room
            room -= count
            found.append({"name": _text(hdu.name), "kind": _kind(hdu), "cards": shown})
            if cut:
                return {"hdus": found, "cut": True}
    return {"hdus": found, "cut": False}


def _texts(card: Card) -> list[str]:
    value = card.value
    shown = ("T" if value else "F") if isinstance(value, bool) else _text(value)
    return [_text(card.keyword), shown, _text(card.comment)]


def _kind(hdu: Any) -> str:
    if isinstance(hdu, fits.CompImageHDU):
        return "compressed image"
    if isinstance(hdu, fits.BinTableHDU | fits.TableHDU):
        return "table"
    return "image" if hdu.header.get("NAXIS", 0) else "header"


def _text(value: object) -> str:
    text = "" if value is None or isinstance(value, fits.card.Undefined) else str(value)
    # Tabs and other control characters are not allowed in headers, and occur.
    printable = "".join(c if c.isprintable() else " " for c in text[:MOST_CHARACTERS])
    return printable.encode("utf-8", "replace").decode()
