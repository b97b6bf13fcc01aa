"""The text of a file, whatever its encoding, within bounds."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import IO

#: The marks at the beginning; the longer ones first, as UTF-16's begins UTF-32's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: What the files begin with that people take for tables, though they are no text.
_FORMATS = (
    (b"PK\x03\x04", "is an Excel workbook or another archive, not text: save it as CSV"),
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook, not text: save it as CSV"),
    (b"%PDF", "is a PDF, not a table"),
    (b"\x89PNG", "is a picture, not a table"),
)


class TableError(ValueError):
    """A table that cannot be read. The message is a sentence that begins with the file's name."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name} {reason}")


class WrongSearch(ValueError):
    """A search for a period that cannot be made; `field` is at fault, or "detail" for none."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NoTable(TableError):
    """A text whose lines have no columns in common."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "holds no table: its lines have no columns in common")


def read_text(path: Path, most_bytes: int) -> tuple[str, bool]:
    """Return a file's text, and whether it goes on: then it ends with a whole line.

    Raise TableError if it is no text.
    """
    with path.open("rb") as file:
        data, cut = _beginning(file, most_bytes)
    text = decoded(data, path.name, cut=cut)
    return (text[: text.rfind("\n") + 1] if cut else text), cut


def _beginning(file: IO[bytes], most_bytes: int) -> tuple[bytes, bool]:
    data = file.read(most_bytes + 1)
    return data[:most_bytes], len(data) > most_bytes


def decoded(data: bytes, name: str, *, cut: bool = False) -> str:
    """Return bytes as text: by their mark, as UTF-16 or UTF-8, and else as Windows writes them.

    Raise TableError, with the name of the file, if they hold NUL characters or are no text.
    """
    for start, reason in _FORMATS:
        if data.startswith(start):
            raise TableError(name, reason)
    text = _text(data, name, cut)
    if "\0" in text:
        raise TableError(name, "holds NUL characters, so it is not text")
    return text


def _text(data: bytes, name: str, cut: bool) -> str:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _decode(data, encoding, name, cut)
    if unmarked := _unmarked_utf16(data):
        return _decode(data, unmarked, name, cut)
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(data, final=not cut)
    except UnicodeDecodeError:
        return "\n".join(map(_line, data.split(b"\n")))


def _line(data: bytes) -> str:
    """Return a line of a file in which encodings are mixed; Windows leaves five bytes undefined."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _decode(data: bytes, encoding: str, name: str, cut: bool) -> str:
    try:
        return codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
    except UnicodeDecodeError as error:
        raise TableError(name, f"is not valid {encoding.upper().removesuffix('-SIG')}") from error


def _unmarked_utf16(data: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark: every other byte of a table is NUL then."""
    start = data[:1000]
    if len(start) < 4:
        return None
    even, odd = start[::2].count(0), start[1::2].count(0)
    if odd > 0.8 * len(start[1::2]) and not even:
        return "utf-16-le"
    return "utf-16-be" if even > 0.8 * len(start[::2]) and not odd else None
