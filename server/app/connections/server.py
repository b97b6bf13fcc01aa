"""The HTTP server: Tornado's, with bounds on connections and on the time that they may take."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream

from server.app.connections.accepting import Acceptor
from server.app.connections.bounds import Bounds, Share, client_of
from server.app.connections.forwarding import ClientContext, TrustedProxies
from server.app.connections.http1 import ClientConnection
from server.app.connections.stream import ClientStream, Timeouts
from server.app.connections.tls import Certificate, TlsStream
from server.config.sections import Http
from server.core.disk import open_files

LONGEST_SWEEP_SECONDS = 1.0
#: How often to look whether the last answers have been given.
LOOK_SECONDS = 0.02


class BoundedServer(HTTPServer):
    """An HTTP server whose clients cannot keep others out by holding connections.

    One sweep over all connections is cheaper than a timer for each request.
    """

    _bounds: Bounds
    _timeouts: Timeouts
    _streams: dict[ClientStream, str | None]
    _proxies: TrustedProxies
    _certificate: Certificate | None
    _sweeping: asyncio.Task[None] | None = None

    def bound(self, http: Http, certificate: Certificate | None = None) -> None:
        """Take the bounds and the certificate; to be called once, before the first connection."""
        self._certificate = certificate
        self._proxies = TrustedProxies(http.trusted_proxies)
        most = http.connections or open_files.spare()
        self._bounds = Bounds(most, http.connections_per_address)
        self._timeouts = Timeouts(http.header_seconds, http.idle_seconds, http.body_seconds)
        self._streams = {}
        self._sweeping = asyncio.ensure_future(self._sweep())

    @property
    def open_connections(self) -> int:
        """How many connections are open, websockets among them."""
        return self._bounds.open

    @property
    def refused_connections(self) -> int:
        """How many connections over the bounds were closed at once, since the start."""
        return self._bounds.refused

    def add_sockets(self, sockets: Iterable[socket.socket]) -> None:
        """Accept connections on these sockets."""
        for each in sockets:
            self._sockets[each.fileno()] = each
            self._handlers[each.fileno()] = Acceptor(each, self._handle_connection).stop

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        is_proxy = self._proxies.trust(str(address[0])) if address else False
        client = None if is_proxy else client_of(address)
        if not self._bounds.admit(client):
            connection.close()
            return
        try:
            stream = self._stream_of(connection)
        except OSError:  # it was closed before TLS could begin
            connection.close()
            self._bounds.release(client)
            return
        if is_proxy:
            stream.share = Share(self._bounds)
        self._streams[stream] = client
        self.handle_stream(stream, address)

    def _stream_of(self, connection: socket.socket) -> ClientStream:
        kind: type[ClientStream] = ClientStream
        if self._certificate is not None:
            kind, connection = (
                TlsStream,
                self._certificate.context.wrap_socket(
                    connection, server_side=True, do_handshake_on_connect=False
                ),
            )
        return kind(
            connection,
            self._release,
            max_buffer_size=self.max_buffer_size,
            read_chunk_size=self.read_chunk_size,
        )

    def handle_stream(self, stream: IOStream, address: Any) -> None:
        """Serve the requests of a connection."""
        context = ClientContext(stream, address, self._proxies)
        connection = ClientConnection(stream, self.conn_params, context)
        self._connections.add(connection)
        connection.start_serving(self)

    def _release(self, stream: ClientStream) -> None:
        self._bounds.release(self._streams.pop(stream))

    async def answer_the_last(self, seconds: float) -> bool:
        """Wait until what was asked before now has its answer; return False if time is up.

        A client that has sent a whole upload learns what became of it.
        """
        asked = {stream: stream.request_at_work for stream in self._streams}
        left = [stream for stream, request in asked.items() if request is not None]
        end = time.monotonic() + seconds
        while left and time.monotonic() < end:
            await asyncio.sleep(LOOK_SECONDS)
            left = [each for each in left if each.request_at_work == asked[each]]
        return not left

    async def close_all_connections(self) -> None:
        """Close all connections but websockets, and stop looking for those that are overdue."""
        try:
            await super().close_all_connections()
        finally:
            if self._sweeping is not None:
                self._sweeping.cancel()
                self._sweeping = None

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(min(LONGEST_SWEEP_SECONDS, self._timeouts.shortest / 4))
            now = time.monotonic()
            for stream in tuple(self._streams):
                if stream.overdue(now, self._timeouts):
                    stream.close()
            self._bounds.report()
