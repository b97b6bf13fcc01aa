"""Errors of the system and of libraries in words that are fit for users."""

from __future__ import annotations

import os
import re
import zlib

_LONGEST = 200
#: What only a programmer understands, or what nobody else should see: numbers of errors, names of
#: classes and functions, types of arrays, addresses, and paths of the server.
_INTERNAL = re.compile(
    r"""\[?Errno\b | \bWinError\b | \w+(?:Error|Exception|Warning)\b | \bufunc\b | \bdtype
    | \bn?d?array\b | \bNoneType\b | \boperands?\b | \bcasting\b | \bTraceback\b | \bkwargs?\b
    | \barguments?\b | \battribute\b | \bcodec\b | \bsubscriptable\b | \biterable\b | \bpython\b
    | <[^<>]*\bobject\b | <class\b | \b0x[0-9a-f]+ | (?<![\w.])[~.]{0,2}/[\w.~-]+/ | [\w.]+\(\)""",
    re.VERBOSE | re.IGNORECASE,
)
#: The folders of an absolute path, or of one below the home folder.
_FOLDERS = re.compile(r"(?<![\w.:/])~?/(?:[^\s/'\"]+/)+")
#: These say what is wrong with data by their kind; their texts are for programmers.
_DAMAGED = (zlib.error, EOFError)
#: Only these are made with a sentence about the data in mind.
_SENTENCES = (OSError, ValueError)


def in_words(error: BaseException, otherwise: str = "an unexpected error occurred") -> str:
    """Return what went wrong, without numbers of errors, paths, and names of classes.

    The text goes after a colon. What has no text for users becomes `otherwise`.
    """
    if isinstance(error, MemoryError):
        return "it needs more memory than there is"
    if isinstance(error, _DAMAGED):
        return "its data are damaged or end too early"
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error)
    if not isinstance(error, _SENTENCES):
        return otherwise
    text = str(error).strip().partition("\n")[0]
    return text[:_LONGEST] if is_for_users(text) else otherwise


def in_one_line(text: str) -> str:
    """Return the first line of a text for authors, not too long, without the folders in it."""
    return _FOLDERS.sub("", text.strip().partition("\n")[0])[:_LONGEST]


def is_for_users(text: str) -> bool:
    """Return whether a text is there, and has nothing in it that only a programmer understands."""
    return bool(text) and _INTERNAL.search(text) is None


def _of_system(error: OSError) -> str:
    """Return the words that the error was given in place of the system's own, else those."""
    given, own = str(error.strerror or ""), os.strerror(error.errno or 0)
    return given if is_for_users(given) else own
