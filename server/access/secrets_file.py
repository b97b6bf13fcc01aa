"""The file of `http.tokens_file`: secrets, one a line, such as a credential of systemd's."""

from __future__ import annotations

import asyncio
import logging
import stat
from pathlib import Path

from server.config.sections.network import TOKEN
from server.core.errors import StartError

log = logging.getLogger(__name__)

LIMIT_BYTES = 1024**2
#: What nobody may do but the owner and, reading, the group: systemd and many an administrator give
#: the secrets of a service to its group.
FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IXGRP | stat.S_IRWXO


class WatchedSecrets:
    """The secrets of a file that may change, none without a file."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.secrets: tuple[str, ...] = ()
        self._state: object = None
        self._missing_before = False

    async def load(self) -> None:
        """Read the file. Raise StartError, which shows no secret, for one that cannot be used."""
        if self._path is not None:
            self._state = await asyncio.to_thread(_state, self._path)
            self.secrets = await asyncio.to_thread(read_secrets, self._path)

    async def refresh(self) -> None:
        """Read the file again if it has changed.

        The secrets stay as they are while it cannot be used, and go when it is gone: not at once,
        as programs that write a file anew may remove it for a moment.
        """
        if self._path is None:
            return
        state = await asyncio.to_thread(_state, self._path)
        missing, before = state is None, self._missing_before
        self._missing_before = missing
        if state == self._state or (missing and not before):
            return
        self._state = state
        if missing:
            self.secrets = ()
            log.error(
                "http.tokens_file is gone, and its tokens with it",
                extra={"action": "tokens_file_gone"},
            )
            return
        await self._read_again()

    async def _read_again(self) -> None:
        assert self._path is not None
        try:
            self.secrets = await asyncio.to_thread(read_secrets, self._path)
        except StartError as error:
            log.error(
                "The tokens of the file stay as they are: %s",
                error,
                extra={"action": "tokens_file_not_read"},
            )
        else:
            log.info(
                "http.tokens_file was read again: it has %d tokens",
                len(self.secrets),
                extra={"action": "tokens_file_read"},
            )


def read_secrets(path: Path) -> tuple[str, ...]:
    """Return the secrets in a file, without blank lines and comments (`#`).

    Raise StartError, which shows no secret, for a file that cannot be used.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) and not path.is_dir():  # a pipe would never end
            raise _problem(path, "is not a file")
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except OSError as error:
        raise _problem(path, f"cannot be read: {error.strerror}") from error
    mode = stat.S_IMODE(found.st_mode)
    if mode & FORBIDDEN_MODE:
        raise _problem(path, f"is open to others (mode {mode:o}): have it with mode 600 or 640")
    if len(content) > LIMIT_BYTES:
        raise _problem(path, f"is over {LIMIT_BYTES} bytes")
    lines = [line.strip() for line in content.split(b"\n")]
    return tuple(
        _secret(path, number, line)
        for number, line in enumerate(lines, 1)
        if line and not line.startswith(b"#")
    )


def _state(path: Path) -> object:
    """Return what changes with the file, None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns, found.st_mode


def _secret(path: Path, number: int, line: bytes) -> str:
    written = line.decode("ascii", "replace")
    if not TOKEN.fullmatch(written):
        raise _problem(
            path, f"has no secret of 16 to 1024 visible ASCII characters in line {number}"
        )
    return written


def _problem(path: Path, reason: str) -> StartError:
    return StartError(f"http.tokens_file: {path} {reason}")
