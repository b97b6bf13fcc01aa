"""What files may be called, and what type of content a name stands for."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Sequence
from pathlib import PurePath

from server.core.characters import FORBIDDEN, is_forbidden
from server.core.errors import InvalidInput

NAME_BYTES = 200
#: How long the word for what kind of file it is may be.
TYPE_CHARACTERS = 50
_CONTENT_TYPES = {
    # https://www.iana.org/assignments/media-types/application/fits; `.fz` is tile-compressed FITS.
    **dict.fromkeys((".fits", ".fit", ".fts", ".fz"), "application/fits"),
    ".gz": "application/gzip",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
    ".z": "application/x-compress",
    ".csv": "text/csv",
    ".txt": "text/plain",
    ".log": "text/plain",
    ".json": "application/json",
    ".webm": "video/webm",
    ".mp4": "video/mp4",
    ".gif": "image/gif",
}
#: Suffixes that come after another one.
_PACKED = frozenset({".gz", ".fz", ".bz2", ".xz", ".z", ".zip"})
#: Without the system's own tables, so that every server gives the same answer.
_OTHERS = mimetypes.MimeTypes()


def uploaded_name(sent: str) -> str:
    """Return the name of an uploaded file. :raises InvalidInput: it has no usable name."""
    name = re.split(r"[/\\]", sent)[-1]
    if name in ("", ".", ".."):
        raise InvalidInput.of("file", "Each file needs a name")
    if any(map(is_forbidden, name)):
        raise InvalidInput.of("file", f"A file's name cannot have {FORBIDDEN}")
    if len(name.encode()) > NAME_BYTES:
        raise InvalidInput.of("file", f"A file's name can have at most {NAME_BYTES} bytes of UTF-8")
    return name


def output_name(identifier: str, name: str) -> str:
    """Return the name of a run's output, cut to fit if need be: its suffix is always kept."""
    whole = f"{identifier}_{_clean(name)}"
    suffix = "".join(PurePath(whole).suffixes[-2:]).encode()[-NAME_BYTES // 2 :]
    stem = whole.encode()[: -len(suffix) or None]
    return (stem[: NAME_BYTES - len(suffix)] + suffix).decode("utf-8", "ignore")


def output_type_word(word: str) -> str:
    """Return a run's word for what kind of file its output is, as it is stored and shown."""
    return _clean(word.strip())[:TYPE_CHARACTERS].strip()


def _clean(name: str) -> str:
    return "".join("_" if is_forbidden(character) else character for character in name)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names with `-2`, `-3`, … before the suffix of those that are there before."""
    taken, found = set(names), []
    seen: set[str] = set()
    for name in names:
        unique, number = name, 1
        while unique in seen or (number > 1 and unique in taken):
            number += 1
            unique = _numbered(name, number)
        seen.add(unique)
        found.append(unique)
    return found


def _numbered(name: str, number: int) -> str:
    suffixes = PurePath(name).suffixes
    packed = bool(suffixes) and suffixes[-1].lower() in _PACKED
    suffix = "".join(suffixes[-2 if packed else -1 :]).encode()[-NAME_BYTES // 2 :]
    stem, end = name.encode()[: -len(suffix) or None], f"-{number}".encode() + suffix
    return stem[: NAME_BYTES - len(end)].decode("utf-8", "ignore") + end.decode("utf-8", "ignore")


def content_type(name: str) -> str:
    """Return the media type that the name's last suffix stands for."""
    suffix = PurePath(name).suffix.lower()
    guessed = _CONTENT_TYPES.get(suffix) or _OTHERS.guess_type(f"x{suffix}")[0]
    return guessed or "application/octet-stream"
