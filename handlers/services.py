"""What handlers work with, handed to each by `initialize`. Made by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handlers.access_rules import AccessRules
from handlers.socket_registry import SocketRegistry
from server.archive.preview_cache import PreviewCache

if TYPE_CHECKING:
    from server.archive.archive import Archive
    from server.config import Config
    from server.core.records import ProcessRecord
    from server.live.sources import LiveSources
    from server.processes.service import Processes


@dataclass(frozen=True)
class Services:
    """The collaborators of all handlers.

    `ready` says in a sentence why the server is not ready, or None. `preview` draws a file (first
    path) as a PNG (second path) whose longer side has that many pixels, by a stretch; `previews` is
    the folder that keeps them. `headers` reads those of a FITS file. `picture` is what a run of
    this server shows of itself, as a PNG.
    """

    config: Config
    processes: Processes
    live: LiveSources
    archive: Archive
    ready: Callable[[], Awaitable[str | None]]
    preview: Callable[[Path, Path, int, str], Awaitable[None]]
    headers: Callable[[Path], Awaitable[dict[str, Any]]]
    previews: Path
    picture: Callable[[ProcessRecord], Awaitable[bytes | None]]

    @cached_property
    def access_rules(self) -> AccessRules:
        """Who may come in, computed once."""
        return AccessRules(self.config.http)

    @cached_property
    def preview_cache(self) -> PreviewCache:
        """All pictures that were drawn."""
        return PreviewCache(self.previews, self.config.cache.preview_bytes)

    @cached_property
    def sockets(self) -> SocketRegistry:
        """All open websockets."""
        websockets = self.config.websockets
        return SocketRegistry(websockets.write_seconds, websockets.ping_seconds)
