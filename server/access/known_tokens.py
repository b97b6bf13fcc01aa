"""The tokens that a server knows: from the configuration, a file of secrets, and named ones.

They are in memory, so that a poll asks no database, and read anew every few seconds. What cannot be
read then stays as it was, but for a file of secrets that is gone.
"""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from server.access.identity import Identity
from server.access.roles import Caller, Role
from server.access.secrets_file import WatchedSecrets
from server.access.tokens import Token, TokenProblem, TokenStore, digest_of
from server.core.errors import DatabaseAway, NoRoom, StartError

log = logging.getLogger(__name__)

#: How often the last uses are written down.
USES_SECONDS = 60.0


@dataclass(frozen=True)
class KnownToken:
    """A token, and who has it. `random` is whether nobody can guess it, as we made it."""

    digest: str
    identity: Identity
    expires: float | None = None
    random: bool = False

    @property
    def name(self) -> str | None:
        """The name, None for a token of the configuration."""
        return self.identity.caller.name


class KnownTokens:
    """All tokens by the digests of their secrets."""

    def __init__(self, store: TokenStore, configured: Sequence[str], secrets: Path | None) -> None:
        self._store = store
        self._secrets = WatchedSecrets(secrets)
        self._configured = [self._admin(secret) for secret in configured]
        self._named: dict[str, KnownToken] = {}
        self._by_digest: dict[str, KnownToken] = {}
        self._reported: str | None = None
        self._expired: set[str] = set()
        self._uses: dict[str, float] = {}
        self._uses_noted = time.monotonic()

    @property
    def any(self) -> bool:
        """Whether there are tokens; one that has expired counts."""
        return bool(self._by_digest)

    @property
    def any_valid(self) -> bool:
        """Whether somebody can be let in."""
        return any(self.is_valid(digest) for digest in self._by_digest)

    async def load(self) -> None:
        """Read all tokens.

        :raises StartError: they cannot be read.
        :raises DatabaseAway: the database that keeps them does not answer.
        """
        await self._secrets.load()
        try:
            self.take(await self._store.all())
        except TokenProblem as error:
            raise StartError(str(error)) from error
        self._note_expired(report=False)

    async def refresh(self) -> None:
        """Read again what may have changed, and log what has."""
        await self._secrets.refresh()
        try:
            named = await self._store.all()
        except TokenProblem as error:
            self._report(str(error))
            named = None
        except DatabaseAway:
            named = None  # which others report
        before = self._named
        self.take(named)
        if named is not None:
            self._reported = None
            _log_changes(before, self._named)
        self._note_expired(report=True)
        await self._note_uses()

    def find(self, secret: str) -> KnownToken | None:
        """Return the token with this secret, also one that has expired, None if there is none."""
        digest = digest_of(secret)
        # How long this takes tells at most something about the digest, which nobody can choose and
        # from which no secret can be found.
        token = self._by_digest.get(digest)
        return token if token is not None and hmac.compare_digest(token.digest, digest) else None

    def get(self, digest: str) -> KnownToken | None:
        """Return the token with this digest, None if there is none or it has expired."""
        return self._by_digest.get(digest) if self.is_valid(digest) else None

    def is_valid(self, digest: str) -> bool:
        """Return whether there is such a token, and it has not expired."""
        token = self._by_digest.get(digest)
        return token is not None and (token.expires is None or time.time() < token.expires)

    def note_use(self, digest: str) -> None:
        """Note that a token has been used now, if it is one with a name."""
        if digest in self._named:
            self._uses[digest] = time.time()

    def take(self, named: Iterable[Token] | None) -> None:
        """Know these named tokens, None for those that are known already."""
        if named is not None:
            self._named = {each.digest: self._known(each) for each in named}
        others = [*self._configured, *map(self._admin, self._secrets.secrets)]
        self._by_digest = {each.digest: each for each in others} | self._named

    def _known(self, token: Token) -> KnownToken:
        caller = Caller(token.name, Role(token.role))
        return KnownToken(token.digest, self._identity(caller, token.digest), token.expires, True)

    def _admin(self, secret: str) -> KnownToken:
        digest = digest_of(secret)
        return KnownToken(digest, self._identity(Caller(None, Role.ADMIN), digest))

    def _identity(self, caller: Caller, digest: str) -> Identity:
        return Identity(caller, partial(self.is_valid, digest), digest)

    def _report(self, problem: str) -> None:
        if problem != self._reported:
            self._reported = problem
            log.error(
                "The named tokens stay as they are: %s",
                problem,
                extra={"action": "tokens_not_read"},
            )

    def _note_expired(self, *, report: bool) -> None:
        expired = {digest for digest in self._named if not self.is_valid(digest)}
        for digest in expired - self._expired if report else ():
            name = self._named[digest].name
            log.info("Token %s has expired", name, extra={"action": "token_expired", "token": name})
        self._expired = expired

    async def _note_uses(self) -> None:
        now = time.monotonic()
        if not self._uses or now - self._uses_noted < USES_SECONDS:
            return
        uses, self._uses, self._uses_noted = self._uses, {}, now
        try:
            await self._store.note_uses(uses)
        except (TokenProblem, DatabaseAway, NoRoom) as error:
            log.debug("Uses are not noted: %s", error, extra={"action": "token_uses_not_noted"})


def _log_changes(before: dict[str, KnownToken], after: dict[str, KnownToken]) -> None:
    for digest, token in after.items():
        if digest not in before:
            role = str(token.identity.caller.role)
            log.info(
                "Token %s was added",
                token.name,
                extra={"action": "token_added", "token": token.name, "role": role},
            )
    for digest, token in before.items():
        if digest not in after:
            log.info(
                "Token %s was revoked",
                token.name,
                extra={"action": "token_revoked", "token": token.name},
            )
