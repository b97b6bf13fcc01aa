"""Who sent a request: each kind of proof is tried in turn, the first that is there counts.

What proves something is known in `server.access`; here it is found in requests.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from tornado.httputil import HTTPServerRequest

from server.access.access import Access
from server.access.identity import Identity, NotIdentified
from server.access.tokens import digest_of

COOKIE = "heliograph"

#: Looks for one kind of proof in a request, and returns None where there is none of its kind. What
#: is in memory is returned at once, as every poll passes here; the rest may be awaited. It raises
#: NotIdentified for a proof that is wrong, TooManyGuesses after too many of those.
Proof = Callable[[Access, HTTPServerRequest], Identity | Awaitable[Identity] | None]


def bearer(access: Access, request: HTTPServerRequest) -> Identity | None:
    """Look for a token in the `Authorization` header, as programs send it (RFC 6750)."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    return access.check_secret(secret.strip(), str(request.remote_ip)).identity


def session_cookie(
    access: Access, request: HTTPServerRequest
) -> Identity | Awaitable[Identity] | None:
    """Look for the cookie of a session, as browsers send it."""
    cookie = request.cookies.get(COOKIE)
    if cookie is None or not cookie.value:
        return None
    digest = digest_of(cookie.value)
    identity = access.sessions.in_memory(digest)
    if identity is None:
        return _stored_session(access, digest, str(request.remote_ip))
    assert identity.token is not None
    access.tokens.note_use(identity.token)
    return identity


async def _stored_session(access: Access, digest: str, address: str) -> Identity:
    identity = await access.sessions.find(digest)
    if identity is None:
        access.refuse(address, digest)
        raise NotIdentified("This is not the cookie of a session, sign in again")
    return identity


PROOFS: Sequence[Proof] = (bearer, session_cookie)


class Identification:
    """Finds out who sent a request."""

    def __init__(self, access: Access, proofs: Sequence[Proof] = PROOFS) -> None:
        self.access = access
        self._proofs = proofs
        self._sent_by_programs = [each for each in proofs if each is not session_cookie]

    def identify(
        self, request: HTTPServerRequest, *, cookies: bool = True
    ) -> Identity | Awaitable[Identity]:
        """Return who sent a request, or what to await for that.

        Without `cookies` none counts: that is how requests of pages from elsewhere are taken.

        :raises NotIdentified: nothing proves it, or something that is wrong.
        :raises TooManyGuesses: too many wrong proofs came from the same address.
        """
        if not self.access.needs_token:
            return self.access.anybody
        for proof in self._proofs if cookies else self._sent_by_programs:
            identity = proof(self.access, request)
            if identity is not None:
                return identity
        raise NotIdentified
