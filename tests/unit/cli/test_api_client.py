"""The command line's client: what it reports when a server misbehaves or is missing."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.cli.api_client import ApiClient, Refused


@contextmanager
def server_that_says(answer: bytes) -> Iterator[str]:
    """Serve one request, and close the connection after this answer; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_answer, args=(listener, answer), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join(10)


def _answer(listener: socket.socket, answer: bytes) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(answer)


def said_of(answer: bytes) -> tuple[int | None, str]:
    """Return the status and the message that a GET with this answer fails with."""
    with server_that_says(answer) as address, pytest.raises(Refused) as refused:
        ApiClient(address).get("/api/")
    return refused.value.status, str(refused.value)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'409 Conflict\r\nContent-Length: 16\r\n\r\n{"detail": "no"}', (409, "no")),
        (b'400 Bad\r\nContent-Length: 19\r\n\r\n{"a": ["x.", "y."]}', (400, "a: x. y.")),
        (b"502 Bad Gateway\r\nContent-Length: 4\r\n\r\n<p/>", (502, "Bad Gateway")),
        (b"502 Bad Gateway\r\nContent-Length: 40\r\n\r\n<p/>", (502, "Bad Gateway")),
        (b"500 Oops\r\nContent-Length: 2\r\n\r\n[]", (500, "Oops")),
        (b"302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", (302, "Found")),
    ],
)
def test_a_refusal_is_a_sentence(answer: bytes, expected: tuple[int, str]) -> None:
    assert said_of(b"HTTP/1.1 " + answer) == expected


@pytest.mark.parametrize(
    "answer", [b"", b"no HTTP\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9"]
)
def test_a_server_that_breaks_off_does_not_answer(answer: bytes) -> None:
    status, said = said_of(answer)
    assert status is None
    assert "does not answer: " in said
    assert not re.search("Errno|Error|0x", said)


def test_where_nothing_listens_the_system_says_why() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with pytest.raises(Refused, match=r"does not answer: Connection refused$"):
        ApiClient(address).get("/api/")


def test_half_a_file_is_no_download(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\nhalf"
    with server_that_says(answer) as address, pytest.raises(Refused, match="does not answer"):
        ApiClient(address).download("/file", tmp_path / "file")


def test_no_proxy_stands_between(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with server_that_says(answer) as address:
        assert ApiClient(address).get("/api/") == {}


def test_a_file_that_cannot_be_read_is_not_the_servers_fault(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Is a directory"):
        ApiClient("http://127.0.0.1:1/").upload(1, [tmp_path])
