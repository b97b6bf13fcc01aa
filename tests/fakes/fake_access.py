"""Who is let in, for tests: tokens and sessions that live in dictionaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from server.access.access import Access
from server.access.known_tokens import KnownTokens
from server.access.sessions import Session, Sessions
from server.access.tokens import Token, make_token
from server.config import Config
from server.config.config import is_loopback
from server.core.errors import AlreadyTaken

#: When tokens of tests were made.
NOW = 1_795_485_782.5


@dataclass
class FakeTokens:
    """Keeps tokens in memory, as TokenStore does; fails while there is a `fault`."""

    tokens: dict[str, Token] = field(default_factory=dict)
    fault: Exception | None = None

    def make(self, name: str, role: str = "viewer", expires: float | None = None) -> str:
        """Keep a new token, and return its secret."""
        token, secret = make_token(name, role, None, NOW)
        self.tokens[name] = replace(token, expires=expires)
        return secret

    async def all(self) -> list[Token]:
        if self.fault is not None:
            raise self.fault
        return list(self.tokens.values())

    async def insert(self, token: Token) -> None:
        if token.name in self.tokens:
            raise AlreadyTaken("tokens")
        self.tokens[token.name] = token

    async def delete(self, name: str) -> bool:
        return self.tokens.pop(name, None) is not None

    async def note_uses(self, uses: Mapping[str, float]) -> None:
        for name, token in self.tokens.items():
            self.tokens[name] = replace(token, used=uses.get(token.digest, token.used))


@dataclass
class FakeSessions:
    """Keeps sessions in memory, as the store does, and counts how often it is asked for one."""

    sessions: dict[str, Session] = field(default_factory=dict)
    asked: int = 0
    deletions: int = 0

    async def insert(self, session: Session) -> None:
        self.sessions[session.digest] = session

    async def get(self, digest: str) -> Session | None:
        self.asked += 1
        return self.sessions.get(digest)

    async def of_token(self, token: str) -> list[Session]:
        found = [each for each in self.sessions.values() if each.token == token]
        return sorted(found, key=lambda each: each.created, reverse=True)

    async def existing(self, digests: Iterable[str]) -> set[str]:
        return set(digests) & set(self.sessions)

    async def delete(self, digests: Iterable[str]) -> None:
        for digest in digests:
            self.sessions.pop(digest, None)
        self.deletions += 1

    async def endings(self) -> int:
        return self.deletions

    async def delete_expired(self, now: float) -> int:
        over = [each.digest for each in self.sessions.values() if each.expires < now]
        await self.delete(over)
        return len(over)


def make_access(
    config: Config, tokens: FakeTokens, sessions: FakeSessions, *, alone: bool = True
) -> Access:
    """Return who is let in by this configuration and these tokens."""
    known = KnownTokens(tokens, config.http.tokens, None)
    known.take(tokens.tokens.values())
    kept = Sessions(cast(Any, sessions), known, alone=alone)
    return Access(known, kept, loopback=is_loopback(config.http.host))
