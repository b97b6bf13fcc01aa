"""Which stored files have been compared with their checksums, and their inodes and times then.

By these, a file that was replaced by another of the same size is noticed without reading it each
time: whatever changes a file changes its ctime too, which only the system sets.
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

_Identity = tuple[int, int, int, int]


class KnownContents:
    """Compares the checksums of local files, once for as long as the files stay as they are.

    For threads.
    """

    def __init__(self) -> None:
        self._compared: dict[str, _Identity] = {}

    def compare(self, key: str, file: IO[bytes], sha256: str, *, always: bool = False) -> None:
        """Compare the checksum of an open file, whose position may change.

        One that is not cheap to read is only compared if it has changed since it was compared last,
        or if that is asked for `always`.

        :raises DamagedFile: it has another checksum.
        """
        identity = _identity_of(file)
        known = self._compared.get(key)
        if identity == known or not (always or known or identity[1] <= CHEAP_BYTES):
            return
        if _sha256_of(file) != sha256:
            raise DamagedFile(key.rpartition("/")[2], OTHER_CHECKSUM)
        if len(self._compared) >= MOST_FILES:
            self._compared.clear()
        self._compared[key] = identity


def _sha256_of(file: IO[bytes]) -> str:
    file.seek(0)
    # Its type asks for a method that `IO` does not declare; an open file has it.
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _identity_of(file: IO[bytes]) -> _Identity:
    facts = os.fstat(file.fileno())
    return facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
