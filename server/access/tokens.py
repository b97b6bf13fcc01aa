"""Named tokens: how secrets are made and kept, and what names, roles and ends may be.

Where tokens are kept is left to `token_file` and `server.store.access`.
"""

from __future__ import annotations

import hashlib
import math
import re
import secrets
from collections.abc import Mapping
from typing import Protocol

from server.access.roles import Role
from server.core.errors import HeliographError
from server.store.access.tokens import Token

__all__ = ["Token", "TokenProblem", "TokenStore", "digest_of", "make_token"]

#: How secrets begin, so that people and scanners of repositories know what they have found.
PREFIX = "hg_"
SECRET_BYTES = 32
#: A name is shown in logs, records and pages as it is, so it has nothing that needs quoting.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", re.ASCII)
DAY_SECONDS = 86_400.0
LONGEST_DAYS = 3_650


class TokenProblem(HeliographError):
    """Tokens cannot be read, or changed as was asked; the sentence says why."""


class TokenStore(Protocol):
    """Keeps the named tokens: a file of the data folder, or the database of several servers.

    All methods raise TokenProblem, DatabaseAway or NoRoom when they cannot do that.
    """

    async def all(self) -> list[Token]:
        """Return all tokens."""

    async def insert(self, token: Token) -> None:
        """Keep a new token. :raises AlreadyTaken: there is one of this name."""

    async def delete(self, name: str) -> bool:
        """Delete a token, and return whether there was one."""

    async def note_uses(self, uses: Mapping[str, float]) -> None:
        """Note when tokens were last used, by their digests; those that are gone stay so."""


def digest_of(secret: str) -> str:
    """Return what is kept of a secret.

    A single SHA-256 is enough: a slow hash protects passwords that people choose, which can be
    guessed one by one, but nobody guesses 256 random bits, however fast the guesses are. And a slow
    one would have to be computed for each request.
    """
    return f"sha256:{hashlib.sha256(secret.encode(errors='surrogateescape')).hexdigest()}"


def make_token(name: str, role: str, days: str | None, now: float) -> tuple[Token, str]:
    """Return a new token and its secret, which is kept nowhere.

    `days` is how long it is valid, as it was written, None for always. Raise TokenProblem for a
    name, a role or days that are not allowed.
    """
    if not NAME.fullmatch(name):
        raise TokenProblem(
            "The name of a token is 1 to 64 ASCII letters, digits and . _ @ -, and begins with a "
            "letter or a digit"
        )
    if role not in list(Role):
        raise TokenProblem(f"The role of a token is one of {', '.join(Role)}")
    secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    expires = None if days is None else now + _valid_days(days) * DAY_SECONDS
    return Token(name, role, digest_of(secret), now, expires), secret


def _valid_days(written: str) -> float:
    plain = re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,30})?", written, re.ASCII)
    days = float(written) if plain else math.nan
    if not 0 < days <= LONGEST_DAYS:  # which no comparison with NaN is
        raise TokenProblem(f"The days of a token are a number above 0 and up to {LONGEST_DAYS}")
    return days
