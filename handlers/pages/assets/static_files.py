"""`/static/`: style sheets and scripts, without comments, compressed once, revalidated at each use.

Scripts import each other by plain names, so a browser must never use an old one beside a new one:
it asks each time, and a short answer tells it that nothing has changed.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from mimetypes import guess_type
from pathlib import Path

from tornado.routing import URLSpec

import static
from handlers.http.base import JsonHandler
from handlers.http.compression import accepts_gzip, gzipped
from handlers.http.routing import route
from handlers.pages.assets.comments import SUFFIXES, without_comments
from handlers.services import Services, StartingServices
from server.core.errors import NotFound

CACHED_FILES = 512


class StaticFiles(JsonHandler):
    """A static file, whole, compressed if the client accepts it; for clients without a token too.

    The login form needs them.
    """

    open_to_all = True
    commented = True  #: whether scripts and style sheets have comments, to be left out

    def initialize(self, services: StartingServices, folder: Path) -> None:
        """Take the folder of the files."""
        self.access_rules = services.access_rules
        self.folder = folder

    async def get(self, path: str) -> None:
        """Send the file unless the client has it."""
        found = self._find(path)
        plain, compressed, digest = content_of(found, self.commented)
        self._set_headers(found, digest)
        if self.check_etag_header():
            self.set_status(304)
            return
        content = plain
        if accepts_gzip(self):
            self.set_header("Content-Encoding", "gzip")
            content = compressed
        self.set_header("Content-Length", len(content))
        self.write(content)

    def _find(self, path: str) -> str:
        """Return the path of the file. Raise NotFound for whatever is no file in the folder."""
        try:
            found = (self.folder / path).resolve()
            is_file = found.is_relative_to(self.folder) and found.is_file()
        except (OSError, ValueError, RuntimeError) as error:
            raise NotFound("file", path) from error
        if not is_file or path.endswith("/"):
            raise NotFound("file", path)
        return str(found)

    def _set_headers(self, path: str, digest: str) -> None:
        self.set_header("Content-Type", guess_type(path)[0] or "application/octet-stream")
        self.set_header("Cache-Control", "no-cache")
        self.set_header("Vary", self.vary)
        self.set_header("Etag", f'W/"{digest}"')


def content_of(path: str, commented: bool) -> tuple[bytes, bytes, str]:
    """Return a static file as it is sent, the same compressed, and the digest of its bytes."""
    return _content(path, commented, Path(path).stat().st_mtime_ns)


@lru_cache(CACHED_FILES)
def _content(path: str, commented: bool, _changed: int) -> tuple[bytes, bytes, str]:
    plain = Path(path).read_bytes()
    if commented and path.endswith(SUFFIXES):
        plain = without_comments(plain.decode()).encode()
    # At the slowest level, as it is done once for all clients.
    return plain, gzipped(plain, level=9), hashlib.blake2b(plain, digest_size=8).hexdigest()


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the static files.

    With Tornado's own setting it would come first, before those of the polls.
    """
    folder = Path(static.__file__).parent.resolve()
    return [route(r"/static/(.*)", StaticFiles, services, folder=folder)]
