"""Which stored files have been compared with their checksums, and how they looked then.

A file that was replaced by another of the same size is noticed by that, without reading it each
time: whatever changes a file also changes how it looks, and only the system sets the last change.
"""

from __future__ import annotations

import hashlib
import os
from typing import IO

from server.core.errors import DamagedFile

OTHER_CHECKSUM = "its content has another checksum"
#: The most files that are remembered.
MOST_FILES = 10_000
#: The largest file that is read only to compare its checksum.
CHEAP_BYTES = 16 * 2**20

_Look = tuple[int, int, int, int]


class KnownContents:
    """Compares the checksums of local files, once as long as they look the same. For threads."""

    def __init__(self) -> None:
        self._looks: dict[str, _Look] = {}

    def compare(self, key: str, file: IO[bytes], sha256: str, *, always: bool = False) -> None:
        """Compare the checksum of an open file, which may move the place in it.

        One that is not cheap to read is only compared if it has changed since it was compared last,
        or if that is asked for `always`.

        :raises DamagedFile: it has another checksum.
        """
        look = _look_of(file)
        known = self._looks.get(key)
        if look == known or not (always or known or look[1] <= CHEAP_BYTES):
            return
        if _sha256_of(file) != sha256:
            raise DamagedFile(key.rpartition("/")[2], OTHER_CHECKSUM)
        if len(self._looks) >= MOST_FILES:
            self._looks.clear()
        self._looks[key] = look


def _sha256_of(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _look_of(file: IO[bytes]) -> _Look:
    facts = os.fstat(file.fileno())
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
