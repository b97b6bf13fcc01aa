"""The named tokens of a server with the embedded database: a file in its data folder.

The embedded engine belongs to the running server, so commands beside it could not write there. The
file is replaced as a whole, under a lock, by whoever changes it; a server looks at it now and then.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from server.access.roles import Role
from server.access.tokens import Token, TokenProblem
from server.core.errors import AlreadyTaken, NoRoom

FILE = "tokens.json"
LOCK = "tokens.lock"
LOCK_SECONDS = 10.0
_RETRY_SECONDS = 0.02
_FULL = (errno.ENOSPC, errno.EDQUOT)


class _Content(msgspec.Struct):
    tokens: list[Token]
    version: int = 1


class TokenFile:
    """The file of a data folder; there is none before the first token. Implements TokenStore."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = folder / FILE

    def read(self) -> list[Token]:
        """Return all tokens. Raise TokenProblem for a file that cannot be used."""
        try:
            written = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise TokenProblem(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            content = msgspec.json.decode(written, type=_Content)
            _check(content)
        except (msgspec.MsgspecError, ValueError) as error:
            raise TokenProblem(
                f"{self.path} is damaged: restore it from a backup, or remove it and make new "
                "tokens with `heliograph token add`"
            ) from error
        return content.tokens

    async def all(self) -> list[Token]:
        """Return all tokens."""
        return await asyncio.to_thread(self.read)

    async def insert(self, token: Token) -> None:
        """Keep a new token. :raises AlreadyTaken: there is one of this name."""

        def added(tokens: list[Token]) -> list[Token]:
            if any(each.name == token.name for each in tokens):
                raise AlreadyTaken("tokens")
            return [*tokens, token]

        await asyncio.to_thread(self._change, added)

    async def delete(self, name: str) -> bool:
        """Delete a token, and return whether there was one."""
        there: list[Token] = []

        def removed(tokens: list[Token]) -> list[Token]:
            there.extend(each for each in tokens if each.name == name)
            return [each for each in tokens if each.name != name]

        await asyncio.to_thread(self._change, removed)
        return bool(there)

    async def note_uses(self, uses: Mapping[str, float]) -> None:
        """Note when tokens were last used, by their digests; those that are gone stay so."""

        def noted(tokens: list[Token]) -> list[Token]:
            return [replace(each, used=uses.get(each.digest, each.used)) for each in tokens]

        await asyncio.to_thread(self._change, noted)

    def _change(self, change: Callable[[list[Token]], list[Token]]) -> None:
        try:
            with self._locked():
                before = self.read()
                after = change(before)
                if after != before:
                    self._replace(msgspec.json.format(msgspec.json.encode(_Content(after))))
        except OSError as error:
            if error.errno in _FULL:
                raise NoRoom from error
            raise TokenProblem(f"{self.path} cannot be written: {error.strerror}") from error

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others from changing the file. The lock goes with a process that is killed."""
        descriptor = _open(self._folder / LOCK, os.O_RDWR | os.O_CREAT)
        deadline = time.monotonic() + LOCK_SECONDS
        try:
            while not _lock(descriptor):
                if time.monotonic() > deadline:
                    raise TokenProblem(f"Another program holds {self._folder / LOCK}, try again")
                time.sleep(_RETRY_SECONDS)
            yield
        finally:
            os.close(descriptor)

    def _replace(self, content: bytes) -> None:
        partial = self.path.with_suffix(".new")
        try:
            _write(partial, content, os.O_CREAT | os.O_TRUNC)
        except OSError as error:
            partial.unlink(missing_ok=True)
            if error.errno not in _FULL or len(content) > _size(self.path):
                raise
            # Revoking must work with a full disk, too: what is shorter fits into the old file. A
            # reader that comes in between finds it damaged, and looks again.
            _write(self.path, content, 0)
            return
        partial.replace(self.path)


def _check(content: _Content) -> None:
    """Raise ValueError for what no `token add` has written."""
    if content.version != 1:
        raise ValueError(content.version)
    for token in content.tokens:
        Role(token.role)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: Path, content: bytes, flags: int) -> None:
    descriptor = _open(path, os.O_WRONLY | flags)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def _open(path: Path, flags: int) -> int:
    """Open a file that belongs to whom the folder belongs to, also when root makes it."""
    descriptor = os.open(path, flags, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
    return descriptor


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
