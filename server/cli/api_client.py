"""A client of a server's HTTP API, for the command line. Blocks, and streams files either way.

What is asked for, and what the answers mean, is left to `terminal`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

TIMEOUT_SECONDS = 60.0
#: Each request has a connection of its own: none is left open that a stopping server waits for.
LIMITS = httpx.Limits(max_keepalive_connections=0)


class Refused(Exception):
    """The server refused a request, or did not answer; the message is for people."""

    def __init__(self, status: int | None, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Talks to one server, without any proxy."""

    def __init__(self, address: str, token: str | None = None) -> None:
        self._address = address
        # Nothing is gained by compressing what does not leave the machine.
        headers = {"Accept-Encoding": "identity"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=address,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            limits=LIMITS,
            trust_env=False,
            # Servers speak plain HTTP: certificates would be read in vain, which takes a while.
            verify=False,
        )

    def get(self, path: str) -> Any:
        """The decoded answer of a GET. Raises Refused."""
        return self._call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """The decoded answer of a POST. Raises Refused."""
        return self._call("POST", path, json=body)

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
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open("rb")) for path in paths]
            files = [
                ("file", (path.name, file, "application/octet-stream"))
                for path, file in zip(paths, opened, strict=True)
            ]
            made = self._call("POST", f"/api/targets/{target}/dataproducts/", files=files)
        return [product["pk"] for product in made["dataproducts"]]

    def download(self, path: str, into: Path) -> None:
        """Write the bytes that a path answers with into a file. Raises Refused and OSError."""
        with self._answer("GET", path) as answer, into.open("wb") as file:
            for piece in answer.iter_bytes():
                file.write(piece)

    def _call(self, method: str, path: str, **content: Any) -> Any:
        with self._answer(method, path, **content) as answer:
            return answer.json() if answer.read() else None

    @contextmanager
    def _answer(self, method: str, path: str, **content: Any) -> Iterator[httpx.Response]:
        """What the server answers to a request, its body still to be read."""
        try:
            with self._http.stream(method, path, **content) as answer:
                if not answer.is_success:
                    raise _refusal(answer)
                yield answer
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            message = f"The server at {self._address} does not answer: {said}"
            raise Refused(None, message) from error


def _refusal(answer: httpx.Response) -> Refused:
    """What an error answer says, in a sentence."""
    if answer.status_code == 401:
        return Refused(401, "The server wants a token: give one in HELIOGRAPH_HTTP_TOKENS")
    try:
        answer.read()
        body = answer.json()
        said = body.get("detail") or "; ".join(
            f"{field}: {' '.join(messages)}" for field, messages in body.items()
        )
    except (ValueError, AttributeError, TypeError, httpx.HTTPError):
        said = answer.reason_phrase
    return Refused(answer.status_code, str(said))
