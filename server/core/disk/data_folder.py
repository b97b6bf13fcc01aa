"""The server's folder on disk: its lock, a subfolder for each kind of file, the server's own id.

What is inside the subfolders is left to the packages that use them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from pathlib import Path

from server.core.disk.disk_reserve import DiskReserve
from server.core.errors import StartError

#: After a `kill -9` the system needs a moment to close the dead server's files.
LOCK_WAIT_SECONDS = 5.0
_RETRY_SECONDS = 0.05
LOCK = "heliograph.lock"
#: The file that `announce` writes. A kill leaves it behind, so check the lock first.
ADDRESS = "address"
#: The file that says that the folder is being restored, as long as that is not complete.
RESTORING = "restoring"
_FILES = (LOCK, ADDRESS, RESTORING, "reserve", "server-id")
#: The files that each server makes anew.
_PASSING = frozenset({LOCK, ADDRESS, RESTORING, "reserve"})
#: The most that a file beside the folders has, such as the server's id.
_KEPT_BYTES = 2**20
_FOLDERS = ("incoming", "runs", "previews", "database", "sockets")


class DataFolder:
    """A folder that only this server uses as long as it is open."""

    def __init__(self, path: Path, lock: int, server_id: str) -> None:
        self.path = path
        self.server_id = server_id
        self._lock: int | None = lock
        #: room for deleting, cancelling and restarting when the disk is full
        self.reserve = DiskReserve(path / "reserve")

    @classmethod
    def open(cls, path: Path | str, wait_seconds: float = LOCK_WAIT_SECONDS) -> DataFolder:
        """Create the folder if it does not exist, and lock it.

        Blocks up to `wait_seconds` while another server holds it.

        :raises StartError: the folder cannot be used, or another server holds it.
        """
        folder = Path(path).expanduser().absolute()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            _check_kinds(folder)
            lock = lock_folder(folder, wait_seconds)
            try:
                check_restored(folder)
                return cls(folder, lock, _server_id(folder / "server-id"))
            except BaseException:
                os.close(lock)
                raise
        except OSError as error:
            raise StartError(
                f"The data folder {folder} cannot be used: {error.strerror}"
            ) from error

    @property
    def files(self) -> Path:
        """The bytes of data products, where storage is a local folder."""
        return self._subfolder("files")

    @property
    def incoming(self) -> Path:
        """Uploads in progress. On the same file system as `files`, so that a move is a rename."""
        return self._subfolder("incoming")

    @property
    def runs(self) -> Path:
        """The working folders of runs."""
        return self._subfolder("runs")

    @property
    def previews(self) -> Path:
        """Previews, which can be drawn again."""
        return self._subfolder("previews")

    @property
    def database(self) -> Path:
        """The embedded engine's files and its socket."""
        return self._subfolder("database")

    @property
    def sockets(self) -> Path:
        """The socket of the process that starts runs."""
        return self._subfolder("sockets")

    def set_aside(self) -> None:
        """Move away what uploads and runs left behind when an earlier server ended.

        To be called at the start. It is quick, so that nothing has to wait for `remove_leftovers`.
        """
        aside = self._subfolder("leftovers")
        for folder in (self.incoming, self.runs):
            for leftover in folder.iterdir():
                leftover.rename(aside / secrets.token_hex(8))

    def remove_leftovers(self) -> None:
        """Delete what was set aside, also by an earlier server."""
        shutil.rmtree(self._subfolder("leftovers"), ignore_errors=True)

    def announce(self, address: str, certificate: str | None = None) -> None:
        """Write down the address of this server, for other programs that use the folder.

        The certificate, in PEM, is the one by which they know it.
        """
        partial = self.path / "address.new"
        partial.write_text(f"{address}\n{certificate or ''}", encoding="utf-8")
        partial.replace(self.path / ADDRESS)

    def close(self) -> None:
        """Unlock the folder for the next server. Closing twice is fine."""
        if self._lock is not None:
            (self.path / ADDRESS).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None

    def _subfolder(self, name: str) -> Path:
        folder = self.path / name
        folder.mkdir(exist_ok=True, mode=0o700)
        return folder


def is_held(path: Path) -> bool:
    """Return whether a server holds the folder now."""
    try:
        descriptor = os.open(path / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def announced(path: Path) -> str | None:
    """Return the address that the holder of a folder has written down, None if not yet."""
    with contextlib.suppress(FileNotFoundError):
        return (path / ADDRESS).read_text(encoding="utf-8").partition("\n")[0] or None
    return None


def announced_certificate(path: Path) -> str | None:
    """Return the certificate of the holder of a folder in PEM, None if it speaks plain HTTP."""
    with contextlib.suppress(FileNotFoundError):
        return (path / ADDRESS).read_text(encoding="utf-8").partition("\n")[2] or None
    return None


def kept_files(path: Path) -> list[str]:
    """Return the names of the files of a data folder, beside its folders, that are to be kept."""
    with os.scandir(path) as entries:
        return sorted(
            entry.name
            for entry in entries
            if is_kept(entry.name)
            and entry.is_file(follow_symlinks=False)
            and entry.stat(follow_symlinks=False).st_size <= _KEPT_BYTES
        )


def is_kept(name: str) -> bool:
    """Return whether a file of this name in a data folder is more than what each server makes."""
    passing = _PASSING | {*_FOLDERS, "files"}
    return name not in passing and not name.endswith((".new", ".lock"))


def lock_folder(folder: Path, wait_seconds: float = LOCK_WAIT_SECONDS) -> int:
    """Lock a data folder until the descriptor that this returns is closed.

    :raises StartError: a server holds it.
    """
    path = folder / LOCK
    # os.open makes the descriptor non-inheritable: a child that outlives us must not keep the lock.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(_RETRY_SECONDS)
                continue
            holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise StartError(
                f"Another server (pid {holder}) uses the data folder {path.parent}: "
                "stop it, or choose another folder with --data"
            ) from None
        # In this order it needs no room on a full disk.
        written = os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        os.ftruncate(descriptor, written)
        return descriptor


def check_restored(folder: Path) -> None:
    """Raise StartError for a folder that a restore has not filled completely."""
    if os.path.lexists(folder / RESTORING):
        raise StartError(
            f"The data folder {folder} is not restored completely: "
            "run `heliograph restore` again, which goes on from there"
        )


def _check_kinds(folder: Path) -> None:
    """Raise StartError if something else has the name of a file or a folder of the server."""
    for names, found, wanted in (
        (_FILES, Path.is_dir, "a file"),
        (_FOLDERS, lambda path: path.exists() and not path.is_dir(), "a folder"),
    ):
        for name in names:
            if found(folder / name):
                raise StartError(
                    f"The data folder {folder} cannot be used: {name} in it is not {wanted}; "
                    "move it away, or choose another folder with --data"
                )


def _server_id(path: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        kept = path.read_bytes().strip()
        if not kept.isascii():
            raise StartError(f"{path} is damaged: restore it from a backup of the data folder")
        if kept:
            return kept.decode()
    # The letter in front keeps a database from taking an id of digits for a number.
    made = f"s{secrets.token_hex(8)}"
    partial = path.with_suffix(".new")
    partial.write_text(f"{made}\n", encoding="ascii")
    partial.replace(path)
    return made
