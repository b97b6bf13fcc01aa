"""The sessions of people who have signed in with a token."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from server.store.base import load
from server.store.driver.connection import Database

#: The counter of deletions.
_ENDINGS = "sessions_ended"


@dataclass(frozen=True)
class Session:
    """A session, found by the digest of the secret that the browser keeps as a cookie.

    `token` is the digest of the token by which it began. `address` and `browser` are those of the
    sign-in, as they came. Times are Unix seconds.
    """

    digest: str
    token: str
    created: float
    expires: float
    address: str
    browser: str


class Sessions:
    """All sessions, of all servers on this database."""

    def __init__(self, database: Database) -> None:
        self._collection = database.collection("sessions")
        self._counters = database.collection("counters")

    async def ensure_indexes(self) -> None:
        """Make the indexes that the methods below need."""
        for field in ("token", "expires"):
            await self._collection.ensure_index(field)

    async def insert(self, session: Session) -> None:
        """Store a new session."""
        await self._collection.insert({"_id": session.digest, **vars(session)})

    async def get(self, digest: str) -> Session | None:
        """Return the session with this digest, None if there is none."""
        document = await self._collection.get(digest)
        return None if document is None else load(Session, document)

    async def of_token(self, token: str) -> list[Session]:
        """Return the sessions that began by a token, newest first."""
        found = await self._collection.find({"token": token})
        sessions = [load(Session, document) for document in found]
        return sorted(sessions, key=lambda each: each.created, reverse=True)

    async def existing(self, digests: Iterable[str]) -> set[str]:
        """Return those of the digests that have a session."""
        return {document["_id"] for document in await self._collection.get_many(digests)}

    async def delete(self, digests: Iterable[str]) -> None:
        """Delete sessions; missing ones are fine."""
        asked = list(digests)
        await self._collection.delete_many(asked)
        if asked:
            await self._counters.add_to(_ENDINGS, "last", 1)

    async def endings(self) -> int:
        """Return how often sessions have been deleted, so that others need look only then."""
        counter = await self._counters.get(_ENDINGS)
        return 0 if counter is None else int(counter["last"])

    async def delete_expired(self, now: float) -> int:
        """Delete the sessions that have expired and return how many there were."""
        return await self._collection.delete({"expires": {"$lt": now}})
