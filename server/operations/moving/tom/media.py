"""The files of an old site, below its media folder: found, linked or copied, and never changed.

What a path in its database says is not trusted: nothing outside the media folder is read.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from server.archive.storage.adopting import Adopted, adopt
from server.archive.storage.local import open_below
from server.core.errors import NotDone

#: Failures of a file, or of the disk that it is on, as against that of the storage.
_UNREADABLE = frozenset({errno.EIO, errno.ESTALE, errno.EACCES, errno.EPERM})


class NotThere(Exception):
    """A file that cannot be brought; `str` of it says why, after the file's path."""


@dataclass(frozen=True)
class Brought:
    """A file that is on its way into the storage."""

    path: Path
    size: int
    sha256: str


class Media:
    """The media folder of a site.

    With `copies`, each file is copied; else the storage has the file itself under a second name
    where the disk allows that. :raises NotDone: there is no such folder.
    """

    def __init__(self, folder: Path, *, copies: bool = False) -> None:
        if not folder.is_dir():
            raise NotDone(f"There is no folder {folder}, where the media of the old site should be")
        self._root = Path(os.path.realpath(folder))
        self._copies = copies
        #: how many files were linked, so that the old site and this one have them together
        self.linked = 0

    def keep_out(self, place: str) -> None:
        """Raise NotDone if a folder to be written to, or its URL, lies among the old files."""
        path = place.removeprefix("file://")
        if "://" in path:  # on another machine
            return
        real = Path(os.path.realpath(path))
        if self._root == real or self._root in real.parents:
            raise NotDone(
                f"{place} is in the media folder of the old site, which is only read and may be "
                "served to all: choose another folder with --data"
            )

    def relative(self, stored: str) -> str:
        """Return the path below the media folder that a path of the database names.

        :raises NotThere: it names no file there.
        """
        if not stored:
            raise NotThere("has no file")
        if "\0" in stored:
            raise NotThere("has a path that no file can have")
        try:
            real = os.path.realpath(self._root / stored)
        except (OSError, ValueError) as error:
            raise NotThere("has a path that no file can have") from error
        inside = os.path.relpath(real, self._root)
        if inside == "." or inside.startswith(f"{os.pardir}{os.sep}") or inside == os.pardir:
            raise NotThere("is outside the media folder")
        return inside

    def bring(self, stored: str, folder: Path, name: str) -> Brought:
        """Put a file into a new folder, under a name, and return it.

        :raises NotThere: it cannot be read.
        """
        inside = self.relative(stored)
        try:
            source = open_below(str(self._root), inside)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotThere("is not there") from error
        except PermissionError as error:
            raise NotThere("may not be read") from error
        except OSError as error:
            long = error.errno == errno.ENAMETOOLONG
            why = "has a path that no file can have" if long else "is not a file"
            raise NotThere(why) from error
        try:
            folder.mkdir(parents=True, mode=0o700)
            taken = self._bring_open(source, inside, folder / name)
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            raise NotThere("cannot be read") from error
        finally:
            os.close(source)
        return Brought(folder / name, taken.size, taken.sha256)

    def _bring_open(self, source: int, inside: str, place: Path) -> Adopted:
        taken = adopt(source, None if self._copies else self._root / inside, place)
        self.linked += taken.linked
        return taken


def new_folder(incoming: Path) -> Path:
    """Return a folder that nobody else uses, for files on their way."""
    return incoming / secrets.token_hex(8)


def remove(folder: Path) -> None:
    """Remove such a folder, with what is in it."""
    shutil.rmtree(folder, ignore_errors=True)
