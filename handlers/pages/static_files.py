"""`/static/`: style sheets and scripts, compressed once and revalidated at each use.

Scripts import each other by plain names, so a browser must never use an old one beside a new one:
it asks each time, and a short answer tells it that nothing has changed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from tornado.routing import URLSpec
from tornado.web import StaticFileHandler

import static
from handlers.http.compression import accepts_gzip, gzipped
from handlers.services import Services

CACHED_FILES = 128


class StaticFiles(StaticFileHandler):
    """A static file, whole, compressed if the client accepts it."""

    async def get(self, path: str, include_body: bool = True) -> None:
        """Send the file unless the client has it."""
        self.path = self.parse_url_path(path)
        found = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        if found is None:
            return
        self.absolute_path = found
        plain, compressed, digest = content_of(found)
        self._set_headers(digest)
        if self.check_etag_header():
            self.set_status(304)
            return
        content = plain
        if accepts_gzip(self):
            self.set_header("Content-Encoding", "gzip")
            content = compressed
        self.set_header("Content-Length", len(content))
        if include_body:
            self.write(content)

    def _set_headers(self, digest: str) -> None:
        self.set_header("Content-Type", self.get_content_type())
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("Etag", f'W/"{digest}"')

    def compute_etag(self) -> str | None:
        """Return None: `get` has set it."""
        return None


def content_of(path: str) -> tuple[bytes, bytes, str]:
    """Return a static file as it is and compressed, and the digest of its bytes."""
    return _content(path, Path(path).stat().st_mtime_ns)


@lru_cache(CACHED_FILES)
def _content(path: str, _changed: int) -> tuple[bytes, bytes, str]:
    plain = Path(path).read_bytes()
    # At the slowest level, as it is done once for all clients.
    return plain, gzipped(plain, level=9), hashlib.blake2b(plain, digest_size=12).hexdigest()


def routes(_services: Services) -> list[URLSpec]:
    """Return the route of the static files.

    With Tornado's own setting it would come first, before those of the polls.
    """
    folder = {"path": str(Path(static.__file__).parent)}
    return [URLSpec(r"/static/(.*)", StaticFiles, folder)]
