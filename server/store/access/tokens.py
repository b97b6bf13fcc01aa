"""Named tokens in a database that several servers share; one server alone keeps them in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from server.store.base import load, text_key
from server.store.driver.collection import Document
from server.store.driver.connection import Database


@dataclass(frozen=True)
class Token:
    """A named token: its role, and `sha256:` with the digest of its secret in hexadecimal digits.

    Times are Unix seconds; `expires` is None for a token without an end, `used` is the last use, to
    about a minute.
    """

    name: str
    role: str
    digest: str
    created: float
    expires: float | None = None
    used: float | None = None


class Tokens:
    """All named tokens, one document each, by name."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("tokens")

    async def ensure_indexes(self) -> None:
        """Make no index: tokens are found by `_id`, and all of them are few."""

    async def all(self) -> list[Token]:
        """Return all tokens."""
        return [load(Token, document) for document in await self._collection.find({})]

    async def insert(self, token: Token) -> None:
        """Store a new token. :raises AlreadyTaken: there is one of this name."""
        await self._collection.insert(document_of(token))

    async def delete(self, name: str) -> bool:
        """Delete a token, and return whether there was one."""
        return await self._collection.delete({"_id": text_key(name)}) > 0

    async def note_uses(self, uses: Mapping[str, float]) -> None:
        """Note when tokens were last used, by their digests; those that are gone stay so."""
        for token in await self.all():
            if token.digest in uses:
                wanted = {"_id": text_key(token.name), "digest": token.digest}
                await self._collection.change(wanted, set={"used": uses[token.digest]})


def document_of(token: Token) -> Document:
    """Return the document that keeps a token."""
    return {"_id": text_key(token.name), **vars(token)}
