"""A client of a server's HTTP API, for the command line. Blocks, and streams files either way.

What is asked for, and what the answers mean, is left to `terminal`.
"""

from __future__ import annotations

import http.client
import json
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 60.0
PIECE_BYTES = 1 << 20


class Refused(Exception):
    """The server refused a request, or did not answer; the message is for people."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Talks to one server; each request has a connection of its own."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self._address = urlsplit(address)
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}

    def get(self, path: str) -> Any:
        """The decoded answer of a GET. Raises Refused."""
        return self._call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """The decoded answer of a POST. Raises Refused."""
        return self._call("POST", path, b"" if body is None else json.dumps(body).encode())

    def all(self, path: str, plural: str) -> Iterator[Any]:
        """All items of a list, page by page. Raises Refused."""
        before = ""
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=1000{before}")
            yield from page[plural]
            if page["next"] is None:
                return
            before = f"&before={page['next']}"

    def upload(self, target: int, paths: Sequence[Path]) -> list[int]:
        """Upload files for a target; the PKs of their products. Raises Refused and OSError."""
        boundary = f"heliograph-{secrets.token_hex(16)}"
        heads = [_part_head(boundary, path.name) for path in paths]
        end = f"--{boundary}--\r\n".encode()
        sizes = [
            path.stat().st_size + len(head) + 2 for path, head in zip(paths, heads, strict=True)
        ]

        def pieces() -> Iterator[bytes]:
            for path, head in zip(paths, heads, strict=True):
                yield head
                with path.open("rb") as file:
                    while piece := file.read(PIECE_BYTES):
                        yield piece
                yield b"\r\n"
            yield end

        headers = {
            "Content-Type": f"multipart/form-data; boundary={boundary}",
            "Content-Length": str(sum(sizes) + len(end)),
        }
        made = self._call("POST", f"/api/targets/{target}/dataproducts/", pieces(), headers)
        return [product["pk"] for product in made["dataproducts"]]

    def download(self, path: str, into: Path) -> None:
        """Write the bytes that a path answers with into a file. Raises Refused and OSError."""
        connection, response = self._request("GET", path, None, {})
        try:
            if response.status != 200:
                raise _refusal(response)
            with into.open("wb") as file:
                while piece := response.read(PIECE_BYTES):
                    file.write(piece)
        finally:
            connection.close()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        if headers is None:
            headers = {"Content-Type": "application/json"} if body else {}
        connection, response = self._request(method, path, body, headers)
        try:
            if response.status >= 400:
                raise _refusal(response)
            return json.loads(response.read() or b"null")
        except (OSError, http.client.HTTPException) as error:
            raise self._unanswered(error) from error
        finally:
            connection.close()

    def _request(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None,
        headers: dict[str, str],
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        host = self._address.hostname or "localhost"
        connection = http.client.HTTPConnection(host, self._address.port, timeout=TIMEOUT_SECONDS)
        try:
            try:
                connection.request(method, path, body, headers | self._headers)
            except (BrokenPipeError, ConnectionResetError):
                # Refused before all was sent: the answer says why.
                if connection.sock is None:
                    raise
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise self._unanswered(error) from error

    def _unanswered(self, error: Exception) -> Refused:
        said = str(error) or type(error).__name__
        return Refused(None, f"The server at {self._address.geturl()} does not answer: {said}")


def _part_head(boundary: str, name: str) -> bytes:
    # As browsers escape names (WHATWG, multipart/form-data).
    escaped = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{escaped}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    ).encode()


def _refusal(response: http.client.HTTPResponse) -> Refused:
    """What an error answer says, in a sentence."""
    if response.status == 401:
        return Refused(401, "The server wants a token: give one in HELIOGRAPH_HTTP_TOKENS")
    try:
        body = json.loads(response.read())
        said = body.get("detail") or "; ".join(
            f"{field}: {' '.join(messages)}" for field, messages in body.items()
        )
    except (ValueError, AttributeError, TypeError, OSError):
        said = response.reason
    return Refused(response.status, str(said))
