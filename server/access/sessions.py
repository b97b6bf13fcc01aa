"""The sessions of people: begun with a token, kept hashed, ended with the token at the latest."""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass

from server.access.identity import Identity, NotIdentified
from server.access.known_tokens import KnownToken, KnownTokens
from server.access.roles import Caller
from server.access.tokens import DAY_SECONDS, digest_of
from server.store.access import sessions
from server.store.access.sessions import Session

__all__ = ["SESSION_SECONDS", "Session", "Sessions"]

log = logging.getLogger(__name__)

SESSION_SECONDS = 30 * DAY_SECONDS
SECRET_BYTES = 32
ENDED = "The session has ended, sign in again"
#: Sessions of one token; one more ends the oldest.
MOST_OF_A_TOKEN = 100
#: How many sessions are kept in memory, and for how long after the last use.
KNOWN_SESSIONS = 10_000
KNOWN_SECONDS = 60.0
#: How many cookies without a session are remembered, so that each asks the database once.
DEAD_COOKIES = 10_000
LONGEST_BROWSER = 300
LOOK_SECONDS = 5.0
CLEAN_SECONDS = 3600.0


@dataclass
class _Known:
    """A session in memory, and when it was last used, by the monotonic clock."""

    identity: Identity
    used: float


class Sessions:
    """The sessions of a database. `alone` is whether no other server can end them."""

    def __init__(self, store: sessions.Sessions, tokens: KnownTokens, *, alone: bool) -> None:
        self._store = store
        self._tokens = tokens
        self._alone = alone
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._dead: OrderedDict[str, None] = OrderedDict()
        self._looked = self._cleaned = -CLEAN_SECONDS
        self._endings = 0

    async def begin(self, token: KnownToken, address: str, browser: str) -> str:
        """Begin a session, and return the secret for the browser's cookie."""
        secret = secrets.token_urlsafe(SECRET_BYTES)
        now = time.time()
        expires = min(now + SESSION_SECONDS, token.expires or now + SESSION_SECONDS)
        shown = "".join(each if each.isprintable() else " " for each in browser[:LONGEST_BROWSER])
        session = Session(digest_of(secret), token.digest, now, expires, address, shown)
        await self._store.insert(session)
        self._remember(session)
        older = (await self._store.of_token(token.digest))[MOST_OF_A_TOKEN:]
        await self.end(*(each.digest for each in older))
        return secret

    def in_memory(self, digest: str) -> Identity | None:
        """Return whose session has this cookie's digest, if it is in memory and goes on."""
        known = self._known.get(digest)
        return known.identity if known is not None and known.identity.holds() else None

    async def find(self, digest: str) -> Identity | None:
        """Return whose session has this cookie's digest, None if there never was one, it seems.

        :raises NotIdentified: it has ended.
        """
        if digest in self._dead:
            raise NotIdentified(ENDED)
        session = await self._store.get(digest)
        if session is None:
            self._forget(digest)
            return None
        identity = self._remember(session)
        if identity is None or not identity.holds():
            raise NotIdentified(ENDED)
        return identity

    async def stored(self, digest: str) -> Identity | None:
        """Return whose session has this cookie's digest, None if there is none that goes on."""
        try:
            return await self.find(digest)
        except NotIdentified:
            return None

    async def of_token(self, token: str) -> list[Session]:
        """Return the sessions that began by the token with this digest, newest first."""
        now = time.time()
        return [each for each in await self._store.of_token(token) if each.expires > now]

    async def end(self, *digests: str) -> None:
        """End sessions; those that have ended are fine."""
        await self._store.delete(digests)
        for digest in digests:
            self._forget(digest)

    async def refresh(self) -> None:
        """Forget sessions that were ended elsewhere, and now and then those that have expired."""
        now = time.monotonic()
        endings = 0 if self._alone else await self._store.endings()
        if endings != self._endings or now - self._looked >= LOOK_SECONDS:
            await self._look(now)
            self._looked, self._endings = now, endings
        if now - self._cleaned >= CLEAN_SECONDS:
            self._cleaned = now
            await self._store.delete_expired(time.time())

    async def _look(self, now: float) -> None:
        for digest, known in tuple(self._known.items()):
            if now - known.used > KNOWN_SECONDS:
                del self._known[digest]
        if not self._alone:
            asked = tuple(self._known)
            for digest in set(asked) - await self._store.existing(asked):
                self._forget(digest)

    def _remember(self, session: Session) -> Identity | None:
        token = self._tokens.get(session.token)
        if token is None:
            return None
        digest = session.digest

        def holds() -> bool:
            return self._holds(session)

        identity = Identity(token.identity.caller, holds, token.digest, session)
        self._known[digest] = _Known(identity, time.monotonic())
        if len(self._known) > KNOWN_SESSIONS:
            self._known.popitem(last=False)
        return identity

    def _holds(self, session: Session) -> bool:
        known = self._known.get(session.digest)
        if known is not None:
            known.used = time.monotonic()
        ended = session.digest in self._dead or time.time() >= session.expires
        return not ended and self._tokens.is_valid(session.token)

    def _forget(self, digest: str) -> None:
        self._known.pop(digest, None)
        self._dead[digest] = None
        if len(self._dead) > DEAD_COOKIES:
            self._dead.popitem(last=False)


def log_signed_in(caller: Caller, address: str) -> None:
    """Log that a session has begun."""
    log.info(
        "%s signed in from %s",
        caller.name or "A token of the configuration",
        address,
        extra={"action": "signed_in", "token": caller.name, "address": address},
    )


def log_signed_out(caller: Caller, address: str, sessions: int = 1) -> None:
    """Log that so many sessions were ended."""
    log.info(
        "%s signed out from %s",
        caller.name or "A token of the configuration",
        address,
        extra={
            "action": "signed_out",
            "token": caller.name,
            "address": address,
            "sessions": sessions,
        },
    )
