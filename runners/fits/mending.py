"""A view of a FITS file that astropy can open: nothing after the last HDU, and cards mended.

Astropy fails on the whole file where other bytes follow the last HDU, and where one of the cards
that it reads itself cannot be parsed, as a scale with a decimal comma.
"""

from __future__ import annotations

import io
import math
import re
from typing import IO

from runners.fits.cards import BLOCK_BYTES, CARD_BYTES, Cards, read_header

#: Further HDUs of a file are ignored.
MOST_HDUS = 1000
#: Numbers and texts that astropy reads whenever it opens a file, and does without.
_READ_ALWAYS = re.compile(
    rb"(BSCALE|BZERO|BLANK|EXTEND|EXTNAME|EXTVER|EXTLEVEL|GROUPS|PCOUNT|GCOUNT|ZBLANK) *$",
    re.IGNORECASE,
)
LONGEST_NUMBER = 30
_STANDARD = re.compile(
    rb"= *(?:'(?:[ -&(-~]|'')*'|[TF]|[+-]?\d*\.?\d*(?:[ED][+-]?\d+)?)? *(?:/[ -~]*)?$"
)


class LegiblePart(io.RawIOBase):
    """The first bytes of a file as a file, with some of its cards replaced by others."""

    def __init__(self, file: IO[bytes], end: int, cards: dict[int, bytes]) -> None:
        self._file, self._end, self._cards = file, end, cards

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return where the file stands."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a place, and return it."""
        if whence == io.SEEK_END:
            return self._file.seek(self._end + offset)
        return self._file.seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, at most `size`, or all that are left."""
        begin = self._file.tell()
        room = max(0, self._end - begin)
        piece = self._file.read(room if size is None or size < 0 else min(size, room))
        for place, card in self._cards.items():
            if begin - CARD_BYTES < place < begin + len(piece):
                piece = _replaced(piece, place - begin, card)
        return piece


def legible_part(file: IO[bytes]) -> LegiblePart | None:
    """Return the part of a file that astropy can open; None if that is all of it, as it is."""
    whole, end = file.seek(0, io.SEEK_END), 0
    mended: dict[int, bytes] = {}
    for _ in range(MOST_HDUS):
        file.seek(end)
        header = read_header(file)
        if header is None:
            break
        mended |= _mended(header, end)
        length = _data_bytes(Cards(header))
        behind = end + len(header) + -(-(length or 0) // BLOCK_BYTES) * BLOCK_BYTES
        if length is None or behind >= whole:  # for astropy to find out
            end = whole
            break
        end = behind
    file.seek(0)
    return LegiblePart(file, end or whole, mended) if mended or 0 < end < whole else None


def _mended(header: bytes, begin: int) -> dict[int, bytes]:
    """Return the cards in place of those that astropy cannot parse, by their places in the file."""
    found = {}
    for at in range(0, len(header), CARD_BYTES):
        card = header[at : at + CARD_BYTES]
        if card[:8] == b"END     ":
            break
        if _READ_ALWAYS.match(card[:8]) and not _STANDARD.match(card[8:]):
            found[begin + at] = _standard(card)
    return found


def _standard(card: bytes) -> bytes:
    """Return a card with the value that was meant, blank if there is no telling."""
    keyword = card[:8].decode("ascii", "replace").strip().upper()
    value = Cards(card).get(keyword)
    if keyword == "EXTNAME":
        text = str(value or "").encode("ascii", "replace").decode().replace("'", "''")
        printable = "".join(c if c.isprintable() else "?" for c in text)[:60]
        return f"{keyword:8}= '{printable}'".encode().ljust(CARD_BYTES)
    if keyword == "EXTEND":
        return f"{keyword:8}= {'T':>20}".encode().ljust(CARD_BYTES)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    text = repr(value).upper() if is_number else ""
    if not text or len(text) > LONGEST_NUMBER or not math.isfinite(float(text)):
        return b" " * CARD_BYTES
    return f"{keyword:8}= {text:>20}".encode().ljust(CARD_BYTES)


def _replaced(piece: bytes, at: int, card: bytes) -> bytes:
    """Return a piece with a card at a place, which may begin before the piece or end after it."""
    inside = card[max(0, -at) : len(piece) - at]
    return piece[: max(0, at)] + inside + piece[max(0, at) + len(inside) :]


def _data_bytes(cards: Cards) -> int | None:
    """Return the length of an HDU's data (FITS standard 4.0, equation 2), None if unknown."""
    numbers = {"BITPIX": 8, "NAXIS": 0, "PCOUNT": 0, "GCOUNT": 1}
    bits, count, parameters, groups = (cards.get(key, least) for key, least in numbers.items())
    if not all(type(value) is int for value in (bits, count, parameters, groups)):
        return None
    sides = [cards.get(f"NAXIS{axis}") for axis in range(1, min(int(str(count)), 999) + 1)]
    if not all(type(side) is int and side >= 0 for side in sides):
        return None
    pixels = 1 if sides else 0
    for side in sides:
        pixels *= int(str(side))
    if "XTENSION" not in cards and cards.get("GROUPS") is not True:
        parameters, groups = 0, 1
    return abs(int(str(bits))) // 8 * max(1, int(str(groups))) * (int(str(parameters)) + pixels)
