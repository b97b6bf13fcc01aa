"""HTTPS: the certificate, loaded anew when its files change, and streams that are encrypted."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import ssl
import stat
from pathlib import Path

from tornado.iostream import SSLIOStream

from server.app.connections.http1 import refusal
from server.app.connections.stream import ClientStream
from server.config.sections import Tls
from server.core.errors import StartError

log = logging.getLogger(__name__)

#: Between two looks at the files.
CHECK_SECONDS = 2.0
#: No certificate with its chain is longer.
LIMIT_BYTES = 1 << 20
PEM = re.compile(
    r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----", re.ASCII
)
PRIVATE_KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----", re.ASCII)
#: What OpenSSL finds, in words.
REASONS = {
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "EE_KEY_TOO_SMALL": "the key is too short to be safe",
    "CA_MD_TOO_WEAK": "the certificate is signed by a weak digest",
}
PLAIN_HTTP = "This port speaks HTTPS: write https:// in front of the address."

_PLAIN_ANSWER = refusal(400, PLAIN_HTTP)


class UnusableCertificate(StartError):
    """The files of `http.tls` cannot be used, and why."""


class _Encrypted(Exception):
    """OpenSSL wants a password for the key."""


class Certificate:
    """The certificate with which new connections are served."""

    def __init__(self, tls: Tls) -> None:
        assert tls.certificate is not None
        assert tls.key is not None
        self._files = tls.certificate, tls.key
        self._seen = self._signature()
        self._problem = ""
        self.context, self.pem = load(*self._files)

    async def refresh(self) -> bool:
        """Load the files again if they have changed; return whether there is a new certificate.

        Files that cannot be used, as while they are being written, leave the one there is in use.
        """
        seen = await asyncio.to_thread(self._signature)
        if seen == self._seen and not self._problem:
            return False
        try:
            self.context, self.pem = await asyncio.to_thread(load, *self._files)
        except UnusableCertificate as error:
            self._report(str(error))
            return False
        self._seen, self._problem = seen, ""
        log.info("There is a new certificate", extra={"action": "certificate_loaded"})
        return True

    def _report(self, problem: str) -> None:
        """Log what is wrong with the files, once for as long as it stays the same."""
        if problem != self._problem:
            log.error(
                "The certificate was not replaced: %s",
                problem,
                extra={"action": "certificate_not_loaded"},
            )
        self._problem = problem

    def _signature(self) -> list[tuple[int, ...] | None]:
        return [_signature_of(path) for path in self._files]


def _signature_of(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def load(certificate: Path, key: Path) -> tuple[ssl.SSLContext, str]:
    """Return what new connections are made with, and the certificate itself in PEM.

    Raise UnusableCertificate with one sentence that names the key of the configuration.
    """
    found = PEM.search(_read(certificate, "http.tls.certificate"))
    if found is None:
        raise UnusableCertificate(f"http.tls.certificate: {certificate} has no certificate in PEM")
    if not PRIVATE_KEY.search(_read(key, "http.tls.key")):
        raise UnusableCertificate(f"http.tls.key: {key} has no private key in PEM")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, _no_password)
    except _Encrypted:
        raise UnusableCertificate(
            f"http.tls.key: {key} is encrypted; decrypt it, as by openssl pkey -in KEY -out NEW,"
            " and let only the server's user read it"
        ) from None
    except (OSError, ValueError) as error:
        raise UnusableCertificate(
            f"http.tls.certificate: {certificate} and {key} cannot be used: {_reason(error)}"
        ) from error
    _warn_of_readers(key)
    return context, found[0]


def _read(path: Path, name: str) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnusableCertificate(f"{name}: {path} is not a file")
        with path.open("rb") as file:
            content = file.read(LIMIT_BYTES + 1)
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or "this cannot be a path"
        raise UnusableCertificate(f"{name}: {path} cannot be read: {words}") from error
    if len(content) > LIMIT_BYTES:
        raise UnusableCertificate(f"{name}: {path} is over {LIMIT_BYTES} bytes")
    return content.decode("latin-1")


def _no_password() -> str:
    raise _Encrypted


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return REASONS.get(error.reason or "", "what is in them is damaged")
    return "they have changed meanwhile"


def _warn_of_readers(key: Path) -> None:
    with contextlib.suppress(OSError):
        if key.stat().st_mode & stat.S_IROTH:
            log.warning(
                "Everybody on this machine can read the key of the certificate",
                extra={"action": "key_readable"},
            )


class TlsStream(ClientStream, SSLIOStream):
    """A stream whose handshake has the time that the first headers have, and blocks nobody."""

    socket: ssl.SSLSocket

    def _do_ssl_handshake(self) -> None:
        self._handshake_reading = self._handshake_writing = False
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self._handshake_reading = True
        except ssl.SSLWantWriteError:
            self._handshake_writing = True
        except (OSError, ValueError, AttributeError) as error:
            self._give_up(error)
        else:
            self._ssl_accepting = False
            self._finish_ssl_connect()

    def _give_up(self, error: Exception) -> None:
        """Close a connection that has no handshake; tell a client that speaks plain HTTP why."""
        log.debug("No TLS handshake: %s", error, extra={"action": "handshake_failed"})
        if getattr(error, "reason", None) == "HTTP_REQUEST":
            raw = socket.socket
            with contextlib.suppress(OSError):
                raw.send(self.socket, _PLAIN_ANSWER)
                raw.shutdown(self.socket, socket.SHUT_WR)
                # What was not read would make the system reset the connection.
                raw.recv(self.socket, LIMIT_BYTES)
        self.close(exc_info=error)

    def close_fd(self) -> None:
        """Tell the client that nothing was cut off, and close."""
        self._send_close_notify()
        super().close_fd()

    def end_writing(self) -> None:
        """Send `close_notify` and then the end of the stream; what comes is still read."""
        self._send_close_notify()
        socket.socket.shutdown(self.socket, socket.SHUT_WR)

    def _send_close_notify(self) -> None:
        # It would wait for the client's own, which no one needs.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            self.socket.unwrap()
