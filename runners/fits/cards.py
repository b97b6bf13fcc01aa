"""The cards of a FITS header, read leniently: one that violates the standard costs only itself.

Astropy raises an error for each card that it cannot parse, and replaces every character that is not
ASCII. Headers of real telescopes have decimal commas, tabs, and names in Latin-1 or UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import IO, Any, NamedTuple

from astropy.io import fits

CARD_BYTES = 80
BLOCK_BYTES = 2880
#: Of an endless header only the beginning is read: 36,000 cards.
MOST_BYTES = 1000 * BLOCK_BYTES
#: Keywords that astropy translates in the header of a compressed image.
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|[PG]COUNT|EXTEND|CHECKSUM|DATASUM"
    r"|COMMENT|HISTORY|CONTINUE|"
)
_QUOTED = re.compile(r"'((?:[^']|'')*)(?:'[^/]*(?:/ ?(.*))?)?$", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[EDed][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{1,4}/\d{1,2}/\d{1,4}(?=\s|$)(?: +\d+:[\d:.,]+)?", re.ASCII)
#: A unit that follows its number without a space.
_UNIT = re.compile(r"(?<=[\d.])(s|sec|secs|seconds)$", re.IGNORECASE)
_LONGEST_NUMBER = 70
_DECIMAL_COMMA = re.compile(r"([+-]?\d+),(\d+(?:[EDed][+-]?\d+)?)", re.ASCII)


class Card(NamedTuple):
    """A keyword in capitals, its value (None if it has none), and its comment."""

    keyword: str
    value: object
    comment: str


class Cards(Mapping[str, object]):
    """The cards of one header, each parsed when it is asked for; of equal ones the first counts.

    Blank ones do not, if there are others.
    """

    def __init__(self, raw: bytes) -> None:
        self._images = _images(raw)
        self._places: dict[str, int] = {}
        for place, image in enumerate(self._images):
            keyword = _keyword(image)
            first = self._places.setdefault(keyword, place)
            if first != place and not self._images[first][9:].strip(" '"):
                self._places[keyword] = place

    @classmethod
    def of(cls, hdu: Any) -> Cards:
        """Return the cards of an HDU as they are in its file."""
        place = hdu.fileinfo()
        length = min(place["datLoc"] - place["hdrLoc"], MOST_BYTES)
        place["file"].seek(place["hdrLoc"])
        return cls(place["file"].read(length))

    def __getitem__(self, keyword: str) -> object:
        return self.named(keyword).value

    def get(self, keyword: str, default: Any = None) -> Any:
        """Return a value; that of Mapping raises an error for each of many keywords not found."""
        place = self._places.get(keyword)
        return default if place is None else self.card(place).value

    def __contains__(self, keyword: object) -> bool:
        return keyword in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._images)

    def card(self, place: int) -> Card:
        """Return the card at this place, counted from 0, with the texts that continue it."""
        image = self._images[place]
        card = _parsed(image)
        while isinstance(card.value, str) and card.value.endswith("&"):
            place += 1
            if place == len(self._images) or _keyword(self._images[place]) != "CONTINUE":
                break
            more = _valued(self._images[place][8:])
            text = str(more[0] or "")
            card = Card(card.keyword, card.value[:-1] + text, f"{card.comment} {more[1]}".strip())
        return card

    def named(self, keyword: str) -> Card:
        """Return the first card with a keyword."""
        return self.card(self._places[keyword])

    def first(self, most: int) -> list[Card]:
        """Return the first cards, at most so many."""
        return [
            self.card(place)
            for place, image in enumerate(self._images[:most])
            if _keyword(image) != "CONTINUE"
        ]


def read_header(file: IO[bytes], most_bytes: int = MOST_BYTES) -> bytes | None:
    """Return the header that begins where a file stands, with its END, in whole blocks.

    None if it does not end within `most_bytes`. The file then stands behind it.
    """
    raw = b""
    while len(raw) < most_bytes:
        block = file.read(BLOCK_BYTES)
        raw += block
        if len(block) < BLOCK_BYTES:
            return None
        for start in range(0, BLOCK_BYTES, CARD_BYTES):
            if block[start : start + 8] == b"END     ":
                return raw
    return None


def displayed(hdu: Any, most: int) -> tuple[list[Card], int]:
    """Return the first cards of an HDU as a user knows them, and how many there are.

    Of a compressed image they are those of the image, not those of the table that holds it.
    """
    cards = Cards.of(hdu)
    if not isinstance(hdu, fits.CompImageHDU):
        return cards.first(most), len(cards)
    theirs = hdu.header.cards
    return [_of_image(theirs, cards, place) for place in range(min(most, len(theirs)))], len(theirs)


def _of_image(theirs: Any, ours: Cards, place: int) -> Card:
    """Return a card of a compressed image, as it is in the file unless astropy translates it."""
    keyword = str(theirs[place].keyword).upper()
    if _STRUCTURE.fullmatch(keyword) or keyword not in ours:
        return _of_astropy(theirs[place])
    return ours.named(keyword)


def _of_astropy(card: Any) -> Card:
    try:
        return Card(str(card.keyword), card.value, str(card.comment))
    except Exception:  # a card that violates the standard; astropy raises errors of every kind
        return Card("", None, "")


def _images(raw: bytes) -> list[str]:
    """Return the cards up to END as texts of 80 characters, or fewer where they are not ASCII."""
    images = []
    for at in range(0, len(raw), CARD_BYTES):
        piece = raw[at : at + CARD_BYTES]
        if piece[:8].rstrip() == b"END":
            break
        images.append(piece.decode("ascii") if piece.isascii() else _decoded(piece))
    return images


def _decoded(piece: bytes) -> str:
    try:
        return piece.decode("utf-8")
    except UnicodeDecodeError:
        return piece.decode("latin-1")


def _keyword(image: str) -> str:
    if image[:8].upper() == "HIERARCH" and "=" in image:
        return image[8 : image.index("=")].strip().upper()
    return image[:8].rstrip(" \0=").upper()


@lru_cache(maxsize=1024)  # the headers of a series have most cards in common
def _parsed(image: str) -> Card:
    keyword = _keyword(image)
    if image[:8].upper() == "HIERARCH" and "=" in image:
        return Card(keyword, *_valued(image[image.index("=") + 1 :]))
    if keyword in ("COMMENT", "HISTORY", "") or image[8:9] != "=":
        return Card(keyword, image[8:].rstrip() or None, "")
    return Card(keyword, *_valued(image[9:]))


def _valued(text: str) -> tuple[object, str]:
    """Return the value and the comment in what follows the equals sign."""
    text = text.strip()
    if quoted := _QUOTED.match(text):
        return quoted[1].replace("''", "'").rstrip(), (quoted[2] or "").strip()
    # Dates such as 2025/03/04 may be without quotes; else a slash begins the comment.
    date = _DATE.match(text)
    value = date[0] if date else text.partition("/")[0].strip()
    if not date and _plain(value) is None:
        value = "" if text.startswith("/") else text.partition(" /")[0].strip()
    comment = text[text.find("/", len(value)) + 1 :] if "/" in text[len(value) :] else ""
    plain = _plain(value)
    return (value or None) if plain is None else plain, comment.strip()


def _plain(text: str) -> object:
    """Return a number or a truth value, None for anything else."""
    if text in ("T", "F"):
        return text == "T"
    if comma := _DECIMAL_COMMA.fullmatch(text):
        text = f"{comma[1]}.{comma[2]}"
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    if text.lstrip("+-").isdigit():
        return int(text)
    return float(text.upper().replace("D", "E"))


def number(value: object) -> float | None:
    """Return a value as a number, also one written as text: `'30.0'`, `'30,5'`, `'30 s'`."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    words = value.split() if isinstance(value, str) else []
    plain = _plain(_UNIT.sub("", words[0])) if words and len(words) < 3 else None
    return None if plain is None or isinstance(plain, bool) else float(str(plain))
