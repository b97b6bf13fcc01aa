"""Secrets that are read from files: the value of `mongodb.uri` from the file `mongodb.uri_file`.

A file suits systemd's credentials and the secrets of containers, and keeps the secret out of the
environment, which other processes may read. Its content never appears in a message.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping, MutableMapping
from pathlib import Path

from server.config.rules import Refused, Rule
from server.config.sources import Complaints, Given

#: The keys that name a file, and those whose value it holds.
FILES = {
    "mongodb.uri_file": "mongodb.uri",
    "files.url_file": "files.url",
    "mail.password_file": "mail.password",
}
#: Keys that name a file with a secret, though not by their last word.
OTHER_FILES = frozenset({"http.tls.key", "runner.security.key"})
LIMIT_BYTES = 16 * 1024


def is_secret_file(key: str) -> bool:
    """Return whether the value of a key is the path of a file with a secret in it."""
    return key.endswith("_file") or key in OTHER_FILES


def read_secret_files(
    given: MutableMapping[str, Given], rules: Mapping[str, Rule], folder: Path | None
) -> None:
    """Add the values that files hold, and make the paths of these absolute.

    A relative path starts at the folder of config.yml if it is given there, else at the working
    directory. Raise StartError with all that is wrong, naming no content.
    """
    complaints = Complaints()
    for key, held in FILES.items():
        if key not in given or given[key].value is None:
            continue
        source = given[key].source
        try:
            if held in given and given[held].value is not None:
                raise _Unusable(f"{held} is given as well ({given[held].source})")
            path = _path(given[key], folder)
            given[key] = given[key]._replace(value=str(path))
            given[held] = Given(held, _read(path, held, rules[held]), str(path))
        except _Unusable as error:
            complaints.add(f"{key}: {error} ({source})")
    complaints.raise_if_any()


class _Unusable(Exception):
    """Why a file gives no value, in words that follow a key."""


def _path(given: Given, folder: Path | None) -> Path:
    in_folder = folder is not None and Path(given.source).absolute().parent == folder
    start = folder if in_folder and folder is not None else Path.cwd()
    try:
        return start / Path(str(given.value)).expanduser()
    except RuntimeError as error:  # a user who does not exist
        raise _Unusable(f"{given.value} is not the path of a file") from error


def _read(path: Path, held: str, rule: Rule) -> object:
    """Return the value that a file holds; the end of its line does not count."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a FIFO may never end
            raise _Unusable(f"{path} is not a regular file")
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise _Unusable(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > LIMIT_BYTES:
        raise _Unusable(f"{path} is over {LIMIT_BYTES} bytes, too large for one value")
    try:
        written = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise _Unusable(f"{path} is not UTF-8: see the byte at {error.start}") from error
    if not written:
        raise _Unusable(f"{path} is empty; it has to hold the value of {held}")
    try:
        return rule.read(written)
    except Refused as refused:
        raise _Unusable(
            f"what {path} holds is not allowed; allowed is {refused.allowed}"
        ) from refused
