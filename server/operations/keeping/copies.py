"""The files of a backup that is being made: copied, or taken from where they are already."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Set
from pathlib import Path

from server.core.disk.sync import sync
from server.core.errors import HeliographError
from server.operations.keeping import layout
from server.operations.keeping.expected import Expected
from server.operations.keeping.stored_files import StoredFiles

#: What the files of an earlier attempt are called until they are used.
_EARLIER = ".earlier-"


class Copies:
    """Files below a folder, under their keys.

    `partial` is the folder of the backup; a killed attempt may have left files in it. `since` is an
    earlier backup.
    """

    def __init__(self, storage: StoredFiles, partial: Path, since: Path | None) -> None:
        self._storage = storage
        self._folder = partial / layout.FILES
        self._left = _set_aside(partial)
        self._since = None if since is None else since / layout.FILES

    def bring(self, file: Expected) -> bool:
        """Have a file in the backup; return whether it had not been there.

        :raises NotFound: it is not in the storage.
        :raises DamagedFile: it is not what its record says.
        """
        place = self._folder / file.key
        if os.path.lexists(place):  # compared when it was brought
            return False
        for folder in (self._folder, place.parent):
            folder.mkdir(exist_ok=True, mode=0o700)
        if not (self._moved(file, place) or self._linked(file, place)):
            self._storage.copy(file.key, place, file)
        return True

    def finish(self, keys: Set[str]) -> None:
        """Remove everything but the files of these keys, and have the folders on the disk."""
        for folder in self._left:
            shutil.rmtree(folder)
        self._folder.mkdir(exist_ok=True, mode=0o700)
        for inner in self._folder.iterdir():
            names = [path.name for path in inner.iterdir()]
            unwanted = [name for name in names if f"{inner.name}/{name}" not in keys]
            for name in unwanted:
                (inner / name).unlink()
            if len(unwanted) == len(names):
                inner.rmdir()
            else:
                sync(inner)
        sync(self._folder)

    def _moved(self, file: Expected, place: Path) -> bool:
        """Use what an earlier attempt has copied, if that is sound."""
        for folder in self._left:
            if _is_sound(folder, file):
                (folder / file.key).rename(place)
                sync(place)
                return True
        return False

    def _linked(self, file: Expected, place: Path) -> bool:
        """Link what an earlier backup has, if that is sound and on the same disk."""
        if self._since is None or not _is_sound(self._since, file):
            return False
        try:
            os.link(self._since / file.key, place, follow_symlinks=False)
        except OSError:
            return False
        return True


def _set_aside(partial: Path) -> list[Path]:
    """Move away what an earlier attempt has copied; return all such folders."""
    if (partial / layout.FILES).is_dir():
        (partial / layout.FILES).rename(partial / f"{_EARLIER}{secrets.token_hex(4)}")
    return sorted(partial.glob(f"{_EARLIER}*"))


def _is_sound(folder: Path, file: Expected) -> bool:
    if not os.path.lexists(folder / file.key):
        return False
    try:
        StoredFiles(folder).compare(file.key, file)
    except (HeliographError, OSError):
        return False
    return True
