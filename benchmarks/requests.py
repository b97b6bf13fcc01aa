"""Load: the same request again and again on a few connections, and the answers per second."""

from __future__ import annotations

import asyncio
import http.client
import json
import time
from typing import Any

CONNECTIONS = 8


class _Asker(asyncio.Protocol):
    """One connection that sends its request again as soon as it has the whole answer.

    If the server closes the connection after each answer, a new one is opened.
    """

    def __init__(self, request: bytes, port: int, until: float, done: asyncio.Future[int]) -> None:
        self._request = request
        self._port = port
        self._until = until
        self._done = done
        self._left = 0
        self._head = b""
        self._closes = False
        self.answers = 0

    async def connect(self) -> None:
        """Connect, for the first time or again."""
        try:
            loop = asyncio.get_running_loop()
            await loop.create_connection(lambda: self, "127.0.0.1", self._port)
        except OSError as error:
            self._done.set_exception(error)

    def connection_made(self, transport: Any) -> None:
        """Send the request for the first time on this connection."""
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count bytes; send the request again at the end of an answer."""
        if not self._left:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            head, data, self._head = self._head[:end], self._head[end + 4 :], b""
            self._left = _length(head)
            self._closes = b"\r\nconnection: close" in head.lower()
        self._left -= len(data)
        if not self._left:
            self.answers += 1
            if time.perf_counter() >= self._until:
                self._done.set_result(self.answers)
            if self._done.done() or self._closes:
                self._transport.close()
            else:
                self._transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        """Connect again if the close was expected; otherwise report the failure."""
        if self._done.done():
            return
        if self._closes and not self._left and not self._head:
            self._connecting = asyncio.ensure_future(self.connect())
        else:
            self._done.set_exception(error or ConnectionResetError("closed"))


def _length(head: bytes) -> int:
    status = head.split(b" ", 2)[1]
    if status == b"304":
        return 0
    if status != b"200":
        raise RuntimeError(head.decode())
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise RuntimeError("an answer without a length")


async def rate(port: int, path: str, seconds: float, headers: str = "") -> float:
    """Return the answers per second to GETs of a path."""
    loop = asyncio.get_running_loop()
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}\r\n".encode()
    started = time.perf_counter()
    askers: list[asyncio.Future[int]] = [loop.create_future() for _ in range(CONNECTIONS)]
    for done in askers:
        await _Asker(request, port, started + seconds, done).connect()
    answers = sum(await asyncio.gather(*askers))
    return answers / (time.perf_counter() - started)


def call(port: int, method: str, path: str, body: Any = None, **headers: str) -> Any:
    """Send one request of the set-up; return the decoded answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    if data is not None and "Content_Type" not in headers:
        headers["Content_Type"] = "application/json"
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, data, named)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    if answer.status >= 400:
        raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
    is_json = "json" in (answer.getheader("Content-Type") or "")
    return json.loads(content) if is_json else content


def make_target(port: int, name: str, **extra_fields: Any) -> tuple[int, list[int]]:
    """Make a target with one product; return its PK and the product's."""
    made = call(port, "POST", "/api/targets/", {"name": name, "extra_fields": extra_fields})
    head = b'Content-Disposition: form-data; name="file"; filename="a.txt"'
    part = b"\r\n".join([b"--b", head, b"", b"x", b"--b--", b""])
    kind = "multipart/form-data; boundary=b"
    path = f"/api/targets/{made['pk']}/dataproducts/"
    products = call(port, "POST", path, part, Content_Type=kind)["dataproducts"]
    return made["pk"], [product["pk"] for product in products]


def submit(port: int, pipeline: str, target: int, products: list[int]) -> int:
    """Submit a process; return its PK."""
    body = {"target": target, "pipeline": pipeline, "products": products, "flags": {}}
    return int(call(port, "POST", "/api/processes/", body)["pk"])


def ended(port: int, count: int, **extra_fields: Any) -> tuple[int, list[int]]:
    """Make a target with this many ended processes; return its PK and those of its products."""
    target, products = make_target(port, f"status {count}", **extra_fields)
    for _ in range(count):
        submit(port, "Nothing", target, products)
    wait_for_end(port, target)
    return target, products


def logged(port: int, size: int) -> int:
    """Make an ended process with a log of this many bytes; return its PK."""
    target, products = make_target(port, f"log {size}", bytes=size)
    pk = submit(port, "Writes", target, products)
    wait_for_end(port, target)
    return pk


def wait_for_end(port: int, target: int) -> None:
    """Wait until all processes of a target have ended."""
    while True:
        found = call(port, "GET", f"/api/async/status/{target}/")["processes"]
        if all(process["terminal_timestamp"] for process in found):
            return
        time.sleep(0.2)
