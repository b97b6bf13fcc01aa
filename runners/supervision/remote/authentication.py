"""Who is at the other end of a connection: both sides prove that they know a ticket's secret.

Each proof is an HMAC of both sides' random numbers, so that neither the secret nor anything that
could be used again is sent. A ticket is good for one connection.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import ssl
from collections.abc import Callable
from typing import Any

import msgspec

from runners.supervision.remote.wire import LARGEST_BYTES, Wire, WireBroken

#: The version of the protocol; sides with different ones do not talk.
PROTOCOL = 1
NONCE_BYTES = 32


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker needs to connect for one run; `ca` is text in PEM where TLS is used."""

    host: str
    port: int
    number: str
    secret: str
    ca: str | None = None
    cache_bytes: int = 0

    def __repr__(self) -> str:
        # Dask shows the arguments of tasks in logs and on its dashboard.
        return f"Ticket({self.number})"


class Refused(WireBroken):
    """The other side has not proved that it knows the ticket's secret."""


async def introduce(wire: Wire, ticket: Ticket, facts: dict[str, Any]) -> None:
    """Prove to the server that this is the agent of a ticket. Raise Refused or WireBroken."""
    own = secrets.token_hex(NONCE_BYTES)
    await wire.send("hello", protocol=PROTOCOL, ticket=ticket.number, nonce=own)
    answer = await wire.receive_message()
    theirs = _text(answer, "nonce")
    _check(ticket.secret, "server", own, theirs, _text(answer, "proof"))
    proof = _proof(ticket.secret, "agent", theirs, own)
    await wire.send("proof", proof=proof, facts=facts)
    wire.largest_bytes = LARGEST_BYTES


async def admit(wire: Wire, secret_of: Callable[[str], str | None]) -> tuple[str, dict[str, Any]]:
    """Return the ticket's number and the facts that the agent has sent about itself.

    :raises Refused: it has no such ticket.
    """
    hello = await wire.receive_message()
    number, theirs = _text(hello, "ticket"), _text(hello, "nonce")
    # Without such a ticket, a secret that nobody knows is as good as a wrong one.
    secret = secret_of(number) or secrets.token_hex(NONCE_BYTES)
    if hello.get("protocol") != PROTOCOL:
        raise Refused("it speaks another version of the protocol")
    own = secrets.token_hex(NONCE_BYTES)
    await wire.send("challenge", nonce=own, proof=_proof(secret, "server", theirs, own))
    answer = await wire.receive_message()
    _check(secret, "agent", own, theirs, _text(answer, "proof"))
    wire.largest_bytes = LARGEST_BYTES
    facts = answer.get("facts")
    return number, facts if isinstance(facts, dict) else {}


def tls_of(ticket: Ticket) -> ssl.SSLContext | None:
    """Return the agent's side of TLS: the server's certificate is one of the given authority.

    As in Dask, host names are not compared; that it is this server shows the ticket's secret.
    """
    if ticket.ca is None:
        return None
    context = ssl.create_default_context(cadata=ticket.ca)
    context.check_hostname = False
    return context


def _proof(secret: str, side: str, *nonces: str) -> str:
    text = "\0".join((str(PROTOCOL), side, *nonces))
    return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()


def _check(secret: str, side: str, first: str, second: str, proof: str) -> None:
    if not hmac.compare_digest(_proof(secret, side, first, second).encode(), proof.encode()):
        raise Refused("the proof is wrong")


def _text(message: dict[str, Any], field: str) -> str:
    value = message.get(field)
    if not isinstance(value, str) or len(value) > 4 * NONCE_BYTES:
        raise Refused(f"there is no {field}")
    return value
