"""HTTPS: the files of the certificate, their change while the server runs, and the handshake."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from server.app.connections.tls import LIMIT_BYTES, PLAIN_HTTP, Certificate, UnusableCertificate
from server.config.sections import Tls
from server.core.errors import StartError
from tests.fakes.fake_processes import Board
from tests.fakes.handler_fakes import Client, Fakes
from tests.fakes.some_records import a_process

pytestmark = pytest.mark.gen_test(timeout=30)

ALIVE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
AUTHORITY, OTHER_AUTHORITY = trustme.CA(), trustme.CA()
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Files:
    """The two files, and what writes them."""

    def __init__(self, folder: Path) -> None:
        self.tls = Tls(certificate=folder / "certificate.pem", key=folder / "key.pem")
        self.certificate, self.key = folder / "certificate.pem", folder / "key.pem"
        self.write(AUTHORITY)

    def write(self, authority: trustme.CA) -> None:
        """Write a new certificate, its intermediates and its key."""
        made = authority.issue_cert("localhost", "127.0.0.1")
        self.certificate.write_bytes(b"".join(each.bytes() for each in made.cert_chain_pems))
        self.key.write_bytes(made.private_key_pem.bytes())
        self.key.chmod(0o600)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@asynccontextmanager
async def serving(files: Files, **http: float) -> AsyncIterator[Client]:
    fakes = Fakes(certificate=Certificate(files.tls))
    fakes.processes.boards[1] = Board([a_process(51)])
    fakes.configure(http=dict(http))
    async with fakes.serving() as client:
        yield client


async def connect(client: Client, authority: trustme.CA = AUTHORITY) -> Connection:
    return await asyncio.open_connection(
        "127.0.0.1", client.port, ssl=trusting(authority), server_hostname="localhost"
    )


async def is_served(connection: Connection) -> bool:
    reader, writer = connection
    writer.write(ALIVE)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    await reader.readexactly(len(b'{"status":"ok"}'))
    return head.startswith(b"HTTP/1.1 200 ")


def encrypted(files: Files) -> None:
    from cryptography.hazmat.primitives import serialization as forms

    key = forms.load_pem_private_key(files.key.read_bytes(), None)
    secret = forms.BestAvailableEncryption(b"secret")
    pem, kind = forms.Encoding.PEM, forms.PrivateFormat.PKCS8
    files.key.write_bytes(key.private_bytes(pem, kind, secret))


def another_key(files: Files) -> None:
    files.key.write_bytes(AUTHORITY.issue_cert("localhost").private_key_pem.bytes())


def half(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def damaged(path: Path) -> None:
    lines = path.read_text().splitlines()
    lines[3] = "A" * len(lines[3])
    path.write_text("\n".join(lines) + "\n")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


WRONG: dict[str, tuple[Callable[[Files], object], str]] = {
    "no certificate": (lambda files: files.certificate.unlink(), "No such file or directory"),
    "no key": (lambda files: files.key.unlink(), "No such file or directory"),
    "a folder": (lambda files: folder(files.key), "is not a file"),
    "a pipe": (lambda files: fifo(files.key), "is not a file"),
    "an empty certificate": (lambda files: files.certificate.write_bytes(b""), "no certificate"),
    "an empty key": (lambda files: files.key.write_bytes(b""), "no private key"),
    "half a certificate": (lambda files: half(files.certificate), ""),
    "half a key": (lambda files: half(files.key), "damaged"),
    "a damaged certificate": (lambda files: damaged(files.certificate), "damaged"),
    "a damaged key": (lambda files: damaged(files.key), "damaged"),
    "another key": (another_key, "the key does not belong to the certificate"),
    "the same file twice": (
        lambda files: files.key.write_bytes(files.certificate.read_bytes()),
        "no private key",
    ),
    "an encrypted key": (encrypted, "is encrypted; decrypt it"),
    "too much": (lambda files: files.key.write_bytes(b"x" * (LIMIT_BYTES + 1)), "over 1048576"),
    "not a text": (lambda files: files.certificate.write_bytes(os.urandom(5_000)), "no certif"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_files_that_cannot_be_used_are_refused_in_one_sentence(files: Files, wrong: str) -> None:
    spoil, words = WRONG[wrong]
    spoil(files)
    with pytest.raises(StartError) as raised:
        Certificate(files.tls)
    sentence = str(raised.value)
    assert sentence.startswith("http.tls.")
    assert words in sentence
    assert len(sentence.splitlines()) == 1
    assert "[" not in sentence, "nothing of the library's own words"


@pytest.mark.parametrize("wrong", [each for each in WRONG if each != "a folder"])
async def test_files_that_become_unusable_leave_the_certificate_in_use(
    files: Files, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    certificate = Certificate(files.tls)
    context = certificate.context
    WRONG[wrong][0](files)
    for _ in range(3):
        assert not await certificate.refresh()
    assert certificate.context is context
    logged = [each for each in caplog.records if each.levelno >= logging.ERROR]
    assert [each.__dict__["action"] for each in logged] == ["certificate_not_loaded"]
    for path in (files.key, files.certificate):
        path.unlink(missing_ok=True)
    files.write(OTHER_AUTHORITY)
    assert await certificate.refresh()
    assert certificate.context is not context
    assert not await certificate.refresh()


async def test_a_key_that_everybody_can_read_is_reported(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.key.chmod(0o644)
    Certificate(files.tls)
    assert [each.__dict__["action"] for each in caplog.records] == ["key_readable"]


async def test_new_connections_get_the_new_certificate_and_open_ones_go_on(files: Files) -> None:
    fakes = Fakes(certificate=(certificate := Certificate(files.tls)))
    async with fakes.serving() as client:
        before = await connect(client)
        assert await is_served(before)
        files.write(OTHER_AUTHORITY)
        assert await certificate.refresh()
        after = await connect(client, OTHER_AUTHORITY)
        assert await is_served(after)
        assert await is_served(before)
        with pytest.raises(ssl.SSLCertVerificationError):
            await connect(client, AUTHORITY)
        for _, writer in (before, after):
            writer.close()


async def test_requests_of_every_size_pass(files: Files) -> None:
    async with serving(files) as client:
        reader, writer = await connect(client)
        body = b'{"name": "%b"}' % (b"x" * 900_000)
        writer.write(
            b"POST /api/targets/ HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 ")
        writer.close()
        secure = client.http.fetch(
            f"https://127.0.0.1:{client.port}/api/async/status/1/",
            ssl_options=trusting(AUTHORITY),
        )
        assert (await secure).code == 200


def read_to_the_end(port: int, request: bytes) -> bytes:
    """Return the whole answer. Raise SSLEOFError where it may have been cut off."""
    context = trusting(AUTHORITY)
    with (
        socket.create_connection(("127.0.0.1", port), 10) as plain,
        context.wrap_socket(
            plain, server_hostname="localhost", suppress_ragged_eofs=False
        ) as connection,
    ):
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize(
    ("request_sent", "status"),
    [
        (ALIVE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), b"200"),
        (b"x\r\n\r\n", b"400"),
    ],
)
async def test_the_end_of_an_answer_is_told_so_that_nothing_seems_to_be_cut_off(
    files: Files, request_sent: bytes, status: bytes
) -> None:
    async with serving(files) as client:
        answer = await asyncio.to_thread(read_to_the_end, client.port, request_sent)
        assert answer.startswith(b"HTTP/1.1 " + status)


async def test_websockets_push_over_tls(files: Files) -> None:
    fakes = Fakes(certificate=Certificate(files.tls))
    fakes.processes.boards[1] = Board([a_process(51)])
    fakes.processes.frames = [b'{"type":"status"}', b'{"text":"%b"}' % (b"x" * 200_000)]
    fakes.processes.follows_on.set()
    async with fakes.serving() as client:
        url = f"wss://127.0.0.1:{client.port}/ws/async/status/1/"
        viewer = await websocket_connect(HTTPRequest(url, ssl_options=trusting(AUTHORITY)))
        read = [await asyncio.wait_for(viewer.read_message(), 5) for _ in range(3)]
        assert [None if each is None else len(each) for each in read] == [17, 200_011, None]
        assert viewer.close_code == 1000
        viewer.close()


async def test_a_broken_frame_over_tls_is_answered_by_its_code(files: Files) -> None:
    fakes = Fakes(certificate=Certificate(files.tls))
    fakes.processes.boards[1] = Board([a_process(51)])
    async with fakes.serving() as client:
        reader, writer = await connect(client)
        writer.write(
            b"GET /ws/async/status/1/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        writer.write(b"\x81\x01x" + b"y" * 100_000)  # not masked
        answer = await asyncio.wait_for(reader.read(), 10)
        assert answer.endswith(b"\x88\x02" + (1002).to_bytes(2, "big"))
        writer.close()


async def test_a_handshake_that_does_not_come_is_given_up_and_holds_nobody_up(
    files: Files,
) -> None:
    hello = ssl.MemoryBIO()
    started = trusting(AUTHORITY).wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        started.do_handshake()
    first_words = hello.read()
    async with serving(files, header_seconds=1.0) as client:
        silent = [await client.connect() for _ in range(20)]
        began = time.monotonic()
        for count, (_, writer) in enumerate(silent):
            writer.write(first_words[: 10 * count])
        served = await connect(client)
        assert await is_served(served)
        for reader, writer in silent:
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 10)
            writer.close()
        assert time.monotonic() - began > 0.9
        served[1].close()


async def test_connections_without_a_handshake_count_and_are_counted_down(files: Files) -> None:
    async with serving(files, connections_per_address=3) as client:
        held = [await client.connect() for _ in range(3)]
        reader, writer = await client.connect()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        for _, each in held:
            each.close()

        async def is_free() -> bool:
            try:
                connection = await connect(client)
            except OSError:
                return False
            connection[1].close()
            return True

        while not await is_free():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("first", [b"", b"\x00", b"\x16\x03\x01\xff\xff", os.urandom(9_000)])
async def test_what_is_no_handshake_is_closed_without_a_word(
    files: Files, first: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(files) as client:
        reader, writer = await client.connect()
        writer.write(first)
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 10)
        writer.close()
        assert not [each for each in caplog.records if each.levelno > logging.DEBUG]


async def test_plain_http_on_the_port_is_told_what_to_do(files: Files) -> None:
    async with serving(files) as client:
        for request in (ALIVE, b"POST / HTTP/1.1\r\nHost: a\r\n\r\n" + b"x" * 50_000):
            answer = await asyncio.wait_for(client.exchange(request), 10)
            assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
            assert PLAIN_HTTP.encode() in answer


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_old_versions_of_tls_are_refused(files: Files) -> None:
    async with serving(files) as client:
        old = trusting(AUTHORITY)
        old.minimum_version = ssl.TLSVersion.TLSv1_1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
        old.set_ciphers("DEFAULT@SECLEVEL=0")
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await asyncio.open_connection("localhost", client.port, ssl=old)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            recent = trusting(AUTHORITY)
            recent.minimum_version = recent.maximum_version = version
            connection = await asyncio.open_connection("localhost", client.port, ssl=recent)
            assert await is_served(connection)
            connection[1].close()


def test_an_unreadable_key_is_named_by_its_key_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(UnusableCertificate, match=r"^http\.tls\.certificate: "):
        Certificate(Tls(certificate=Path("a\0b"), key=tmp_path / "none"))
