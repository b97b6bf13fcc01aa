"""Fetch a page, the health endpoint and the static files of a server that has just started.

The only argument is the file that holds the server's output, where its address appears.
"""

from __future__ import annotations

import re
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import static
from handlers.pages.assets.comments import SUFFIXES, without_comments

WAIT_SECONDS = 60
# Python files, there for packaging and not for browsers.
NOT_SERVED = {".py", ".pyc"}


def address(output: Path) -> str:
    """Return the address that the server prints once it listens."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        said = re.search(r"http://[^\s/]+", output.read_text())
        if said:
            return said[0]
        time.sleep(0.1)
    raise SystemExit(f"The server printed no address within {WAIT_SECONDS} s")


def wait_until_ready(start: str) -> None:
    """Wait until the server is ready; until then it answers 503."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            fetch(f"{start}/readyz")
        except urllib.error.HTTPError as error:
            if error.code != 503 or time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def fetch(url: str) -> bytes:
    """Return the body of a 200 response. Raise an error for any other status."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
        print(answer.status, len(body), "bytes", url)
        return body


def main() -> None:
    """Raise an error unless everything is served."""
    start = address(Path(sys.argv[1]))
    wait_until_ready(start)
    assert b"<html" in fetch(f"{start}/").lower()
    fetch(f"{start}/healthz")
    folder = Path(static.__path__[0])
    files = [path for path in folder.rglob("*") if path.is_file()]
    served = [path for path in files if path.suffix not in NOT_SERVED]
    assert served, f"the package in {folder} has no files"
    for path in served:
        name = path.relative_to(folder).as_posix()
        assert fetch(f"{start}/static/{name}") == as_sent(path), name


def as_sent(path: Path) -> bytes:
    """Return what is sent of a file: scripts and style sheets go without their comments."""
    content = path.read_bytes()
    return without_comments(content.decode()).encode() if path.suffix in SUFFIXES else content


if __name__ == "__main__":
    main()
