"""A blocking client of a server's HTTP API, for the command line. Streams files both ways.

What to request, and what the answers mean, is left to `run`.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from runners.confinement.wording import in_words, is_for_users

TIMEOUT_SECONDS = 60.0
#: Each request has a connection of its own: a server that stops would wait for an idle one.
LIMITS = httpx.Limits(max_keepalive_connections=0)


#: X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which `ssl` does not name.
NO_CHECK_TIME = ssl.VerifyFlags(0x200000)


class Refused(Exception):
    """The server refused a request or did not answer; the message is for people.

    `status` is that of the answer, if there was one.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """Talks to one server, without any proxy. To be closed after use.

    Of a server that speaks HTTPS it trusts one certificate, in PEM, whatever name that is for.
    """

    def __init__(
        self, address: str, token: str | None = None, certificate: str | None = None
    ) -> None:
        self._address = address
        # Most servers are on this machine: compression would gain nothing.
        headers = {"Accept-Encoding": "identity"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        self._http = httpx.Client(
            base_url=address,
            headers=headers,
            timeout=TIMEOUT_SECONDS,
            limits=LIMITS,
            trust_env=False,
            verify=_trusting(certificate) if address.startswith("https:") else False,
        )

    def close(self) -> None:
        """Free what the client holds."""
        self._http.close()

    def get(self, path: str) -> Any:
        """Return the decoded answer to a GET, or raise Refused."""
        return self._call("GET", path)

    def post(self, path: str, body: Any = None) -> Any:
        """Return the decoded answer to a POST, or raise Refused."""
        return self._call("POST", path, json=body)

    def all(self, path: str, plural: str) -> Iterator[Any]:
        """Yield all items of a list, page by page, or raise Refused."""
        before = ""
        while True:
            page = self.get(f"{path}{'&' if '?' in path else '?'}limit=1000{before}")
            yield from page[plural]
            if page["next"] is None:
                return
            before = f"&before={page['next']}"

    def upload(self, target: int, paths: Sequence[Path]) -> list[int]:
        """Upload files for a target and return the PKs of their data products.

        Raise OSError when a file cannot be read, and Refused.
        """
        with ExitStack() as stack:
            opened = [stack.enter_context(path.open("rb")) for path in paths]
            files = [
                ("file", (path.name, file, "application/octet-stream"))
                for path, file in zip(paths, opened, strict=True)
            ]
            made = self._call("POST", f"/api/targets/{target}/dataproducts/", files=files)
        return [product["pk"] for product in made["dataproducts"]]

    def download(self, path: str, into: Path) -> None:
        """Write the answer to a GET into a file; the path is one of an answer, with its prefix.

        Raise OSError when the file cannot be written, and Refused.
        """
        address = str(self._http.base_url.join(path))
        with self._answer("GET", address) as answer, into.open("wb") as file:
            for piece in answer.iter_bytes():
                file.write(piece)

    def _call(self, method: str, path: str, **content: Any) -> Any:
        with self._answer(method, path, **content) as answer:
            return answer.json() if answer.read() else None

    @contextmanager
    def _answer(self, method: str, path: str, **content: Any) -> Iterator[httpx.Response]:
        """Send a request and yield the answer, whose body is still to be read."""
        try:
            with self._http.stream(method, path, **content) as answer:
                if not answer.is_success:
                    raise _refusal(answer)
                yield answer
        except httpx.HTTPError as error:
            reason = _reason(error)
            raise Refused(f"The server at {self._address} does not answer: {reason}") from error


def _trusting(certificate: str | None) -> ssl.SSLContext:
    """Return what accepts this certificate and no other, also when it has expired."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # it is for the name by which others reach the server
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME
    if certificate is not None:
        context.load_verify_locations(cadata=certificate)
    return context


def _reason(error: httpx.HTTPError) -> str:
    """Return why a request failed, in the words of the system if it has any."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "its certificate is not the one that it has announced"
        if isinstance(cause, OSError) and cause.errno is not None:
            return in_words(cause)
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.TimeoutException):
        return f"nothing came for {TIMEOUT_SECONDS:g} s"
    text = str(error)
    return text if is_for_users(text) else "the connection broke off"


def _refusal(answer: httpx.Response) -> Refused:
    """Return the error that an answer describes, in a sentence."""
    if answer.status_code == 401:
        message = "The server wants a token: give one in HELIOGRAPH_HTTP_TOKENS"
        return Refused(message, status=401)
    try:
        answer.read()
        body = answer.json()
        message = body.get("detail") or "; ".join(
            f"{field}: {' '.join(messages)}" for field, messages in body.items()
        )
    except (ValueError, AttributeError, TypeError, httpx.HTTPError):
        message = answer.reason_phrase
    return Refused(str(message), status=answer.status_code)
