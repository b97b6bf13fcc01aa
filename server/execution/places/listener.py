"""Where agents connect: a port that lets in whoever proves to have a ticket, once for each.

What is then said on a connection is left to `remote_run`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from runners.supervision.remote.authentication import Ticket, admit
from runners.supervision.remote.wire import Wire, WireBroken
from server.config.sections.runs import Runner
from server.core.errors import StartError

log = logging.getLogger(__name__)

HANDSHAKE_SECONDS = 10.0
#: How many may be connected that have not proved who they are.
UNKNOWN_LIMIT = 100
SECRET_BYTES = 32

#: A connection whose agent is known, and what that said of its machine.
Arrival = tuple[Wire, dict[str, Any]]


class AgentListener:
    """The port for agents, and the tickets that are out."""

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._server: asyncio.Server | None = None
        self._expected: dict[str, tuple[str, asyncio.Future[Arrival]]] = {}
        self._unknown = 0
        self._ca: str | None = None

    async def start(self) -> None:
        """Listen. Raise StartError."""
        runner = self._runner
        context = None
        if runner.security.given:
            context, self._ca = await asyncio.to_thread(_tls, runner)
        try:
            self._server = await asyncio.start_server(
                self._connected, runner.listen_host, runner.listen_port, ssl=context, limit=2**20
            )
        except OSError as error:
            raise StartError(
                f"runner.listen_port: cannot listen on {runner.listen_host} port "
                f"{runner.listen_port}: {error.strerror}"
            ) from error

    async def stop(self) -> None:
        """Let nobody in any more."""
        if self._server is not None:
            self._server.close()

    def expect(self) -> tuple[Ticket, asyncio.Future[Arrival]]:
        """Return a new ticket, and what becomes the connection of whoever has it."""
        arrival: asyncio.Future[Arrival] = asyncio.get_running_loop().create_future()
        assert self._server is not None
        contact = urlsplit(f"//{self._runner.contact or ''}")
        port = contact.port or self._server.sockets[0].getsockname()[1]
        number, secret = secrets.token_hex(8), secrets.token_hex(SECRET_BYTES)
        self._expected[number] = (secret, arrival)
        ticket = Ticket(
            host=contact.hostname or self._runner.listen_host,
            port=port,
            number=number,
            secret=secret,
            ca=self._ca,
            cache_bytes=self._runner.cache_bytes,
        )
        return ticket, arrival

    def withdraw(self, ticket: Ticket) -> None:
        """Let nobody in with this ticket any more."""
        self._expected.pop(ticket.number, None)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        wire = Wire(reader, writer)
        if self._unknown >= UNKNOWN_LIMIT:
            wire.abort()
            return
        self._unknown += 1
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                number, facts = await admit(wire, self._secret_of)
        except (WireBroken, TimeoutError) as error:
            wire.abort()
            log.warning(
                "A connection to the port for workers was refused: %s",
                error or "it said nothing in time",
                extra={"action": "agent_refused"},
            )
            return
        finally:
            self._unknown -= 1
        self._hand_over(number, wire, facts)

    def _hand_over(self, number: str, wire: Wire, facts: dict[str, Any]) -> None:
        _, arrival = self._expected.pop(number, ("", None))
        if arrival is None or arrival.done():  # withdrawn, or used, meanwhile
            wire.abort()
        else:
            arrival.set_result((wire, facts))

    def _secret_of(self, number: str) -> str | None:
        found = self._expected.get(number)
        return None if found is None else found[0]


def _tls(runner: Runner) -> tuple[ssl.SSLContext, str]:
    """Return the server's side of TLS, and the certificate of the authority that workers need."""
    security = runner.security
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with contextlib.suppress(OSError, ValueError):  # an SSLError is an OSError
        context.load_cert_chain(str(security.certificate), str(security.key))
        return context, Path(str(security.ca)).read_text(encoding="ascii")
    raise StartError(
        f"runner.security: the files {security.ca}, {security.certificate} and {security.key} "
        "cannot be used: they must be the authority's certificate, a certificate and its key"
    )
