"""Shares: signed links by which anybody sees one process, until they end or are revoked.

A link carries the PK of the process, its end, an id and a signature of all three (HMAC-SHA256, RFC
2104), so a forged one is refused before anything is read. Its record is needed too: without it, no
link could be revoked or listed. What a link shows is left to the handlers.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import struct
import time
from dataclasses import dataclass

from cachetools import TTLCache

from server.access.tokens import DAY_SECONDS
from server.core.errors import Conflict, NotFound
from server.store.access.shares import Share
from server.store.access.shares import Shares as ShareStore
from server.store.access.signing_keys import SigningKeys

#: How many links one process can have at a time.
MOST_LINKS = 100
#: How long what is known of a share is used before it is read again; less where another server may
#: revoke the link, which is to be seen within a second.
KNOWN_SECONDS, SHARED_SECONDS = 5.0, 0.5
KNOWN_SHARES = 10_000
KEY_BYTES = 32
PURPOSE = "share-links"

#: The PK of the process, its end in Unix seconds, the id. With the signature, that is 60 bytes.
_SIGNED = struct.Struct(">Qd12s")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{80}", re.ASCII)


@dataclass(frozen=True)
class Link:
    """What a link says whose signature is right; `token` is the link's own text."""

    token: str
    process: int
    expires: float
    id: str


class Shares:
    """The shares of an installation."""

    def __init__(self, store: ShareStore, keys: SigningKeys, *, alone: bool = True) -> None:
        self._store = store
        self._keys = keys
        self._key: bytes | None = None
        self._known: TTLCache[str, bool] = TTLCache(
            KNOWN_SHARES, KNOWN_SECONDS if alone else SHARED_SECONDS
        )

    async def make(self, process: int, days: int, by: str | None) -> Link:
        """Make a link to a process. :raises Conflict: it has too many."""
        key, now = await self._signing_key(), time.time()
        await self._store.delete_ended(now)
        if len(await self._store.of_process(process)) >= MOST_LINKS:
            raise Conflict(f"Process {process} has {MOST_LINKS} links already; revoke them first")
        id, expires = secrets.token_bytes(12), now + days * DAY_SECONDS
        await self._store.insert(Share(id.hex(), process, now, expires, by))
        return Link(_signed(key, process, expires, id), process, expires, id.hex())

    async def find(self, process: int) -> list[Share]:
        """Return the shares of a process that have not ended, the newest first."""
        now = time.time()
        return [each for each in await self._store.of_process(process) if each.expires > now]

    async def revoke(self, process: int) -> int:
        """End all shares of a process and return how many there were."""
        revoked = await self._store.delete(process)
        self._known.clear()
        return revoked

    async def read(self, token: str) -> Link:
        """Return what a link says; whether it was revoked is not looked up: see `check`.

        :raises NotFound: it is forged or has ended.
        """
        link = _read(await self._signing_key(), token)
        if link is None or link.expires <= time.time():
            raise NotFound("share", "of this link")
        return link

    async def check(self, link: Link) -> None:
        """Raise NotFound if a link has ended or was revoked."""
        known = self._known.get(link.id)
        if known is None:
            stored = await self._store.get(link.id)
            known = self._known[link.id] = stored is not None and stored.process == link.process
        if not known or link.expires <= time.time():
            raise NotFound("share", link.id)

    async def _signing_key(self) -> bytes:
        if self._key is None:
            self._key = await self._keys.get_or_keep(PURPOSE, secrets.token_bytes(KEY_BYTES))
        return self._key


def _signed(key: bytes, process: int, expires: float, id: bytes) -> str:
    said = _SIGNED.pack(process, expires, id)
    return base64.urlsafe_b64encode(said + _signature(key, said)).decode()


def _read(key: bytes, token: str) -> Link | None:
    if not _TOKEN.fullmatch(token):
        return None
    whole = base64.urlsafe_b64decode(token)
    said, signature = whole[: _SIGNED.size], whole[_SIGNED.size :]
    if not hmac.compare_digest(signature, _signature(key, said)):
        return None
    process, expires, id = _SIGNED.unpack(said)
    return Link(token, process, expires, id.hex())


def _signature(key: bytes, said: bytes) -> bytes:
    return hmac.new(key, said, hashlib.sha256).digest()
