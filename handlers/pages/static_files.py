"""`/static/`: the style sheet and the scripts, compressed once and asked after at each use.

Scripts import each other by plain names, so a browser may never use an old one beside a new one:
it asks each time, and is told in a few bytes that nothing has changed.
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

KEPT_FILES = 128


class StaticFiles(StaticFileHandler):
    """A file of ours, whole, in a form that the client takes."""

    async def get(self, path: str, include_body: bool = True) -> None:
        """Send the file unless the client has it."""
        self.path = self.parse_url_path(path)
        found = self.validate_absolute_path(self.root, self.get_absolute_path(self.root, self.path))
        if found is None:
            return
        self.absolute_path = found
        plain, small, digest = content_of(found)
        self._describe(digest)
        if self.check_etag_header():
            self.set_status(304)
            return
        content = plain
        if accepts_gzip(self):
            self.set_header("Content-Encoding", "gzip")
            content = small
        self.set_header("Content-Length", len(content))
        if include_body:
            self.write(content)

    def _describe(self, digest: str) -> None:
        self.set_header("Content-Type", self.get_content_type())
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", "Accept-Encoding")
        self.set_header("Etag", f'W/"{digest}"')

    def compute_etag(self) -> str | None:
        """None: `get` has set it."""
        return None


def content_of(path: str) -> tuple[bytes, bytes, str]:
    """A file of ours as it is and compressed, and the digest of its bytes."""
    return _content(path, Path(path).stat().st_mtime_ns)


@lru_cache(KEPT_FILES)
def _content(path: str, _changed: int) -> tuple[bytes, bytes, str]:
    plain = Path(path).read_bytes()
    # Once for all who ever ask: it may take its time.
    return plain, gzipped(plain, level=9), hashlib.blake2b(plain, digest_size=12).hexdigest()


def routes(_services: Services) -> list[URLSpec]:
    """Our files. As Tornado's own setting they would be looked for first, before the polls."""
    folder = {"path": str(Path(static.__file__).parent)}
    return [URLSpec(r"/static/(.*)", StaticFiles, folder)]
