"""The collaborators of the handlers, given to each by `initialize`. `server/app` makes them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handlers.access.identification import Identification
from handlers.access.rules import AccessRules
from handlers.socket_registry import SocketRegistry
from server.archive.derived.nights import Compute, Nights
from server.archive.derived.preview_cache import PreviewCache
from server.core.metrics import Metrics

if TYPE_CHECKING:
    from server.access.access import Access
    from server.access.shares import Shares
    from server.access.tickets import Tickets
    from server.archive.archive import Archive
    from server.config import Config
    from server.core.records import ProcessRecord
    from server.live.sources import LiveSources
    from server.operations.notifications.notifications import DeliveryList
    from server.processes.service import Processes


@dataclass(frozen=True)
class StartingServices:
    """What there is while the server starts: enough to say that it is alive."""

    config: Config

    @cached_property
    def access_rules(self) -> AccessRules:
        """The rules of host and origin, prepared once."""
        return AccessRules(self.config.http)


@dataclass(frozen=True)
class Services(StartingServices):
    """The collaborators of all handlers.

    `access` knows who is let in. `ready` returns why the server is not ready, as a sentence, or
    None. `draw_preview` draws a file (first path) as a PNG (second path) whose longer side has that
    many pixels, with a stretch; `preview_folder` keeps them. `read_headers` reads the headers of a
    FITS file, `write_table` writes the beginning of its table (first path) as CSV (second path), of
    an HDU or of the usual one. `describe_image` writes what a viewer has to know of an image as
    JSON, for an HDU and a plane; `read_pixels` writes a window of it, a `Window` of
    `runners.fits.viewing` by its fields; both raise NotFound without an image, InvalidInput for
    what it has not. `expect_viewer` prepares for such requests. `compute_sky` computes a night.
    `read_light_curve` writes a table with the light curve in it, of so many points at most, as
    JSON; with True it raises ValueError unless all of it is valid. `live_preview` returns the
    latest picture of a run on this server, as a PNG, or None; given a number, that frame of the
    film that it makes, as a JPEG. `disk_problem` returns what to do
    about a full disk, or None. `server_status` returns the figures of `/api/status/`, and has those
    among the `metrics` measured that are not known at any time.
    `slots_of_all` returns how many runs can go on at the same time on all servers.
    `deliveries` are those to webhooks and by mail.
    """

    access: Access
    processes: Processes
    live: LiveSources
    archive: Archive
    tickets: Tickets
    shares: Shares
    ready: Callable[[], Awaitable[str | None]]
    draw_preview: Callable[[Path, Path, int, str], Awaitable[None]]
    read_headers: Callable[[Path], Awaitable[dict[str, Any]]]
    write_table: Callable[[Path, Path, int | None], Awaitable[None]]
    describe_image: Callable[[Path, Path, int | None, int], Awaitable[None]]
    read_pixels: Callable[[Path, Path, Mapping[str, Any]], Awaitable[None]]
    expect_viewer: Callable[[], None]
    read_light_curve: Callable[[Path, Path, int, bool], Awaitable[None]]
    compute_sky: Compute
    preview_folder: Path
    deliveries: DeliveryList
    live_preview: Callable[[ProcessRecord, int | None], Awaitable[bytes | None]]
    server_status: Callable[[], Awaitable[dict[str, Any]]]
    disk_problem: Callable[[], str | None] = lambda: None
    slots_of_all: Callable[[], int] = lambda: 0
    metrics: Metrics = field(default_factory=Metrics)

    @cached_property
    def identification(self) -> Identification:
        """Finds out who sent a request."""
        return Identification(self.access)

    @cached_property
    def preview_cache(self) -> PreviewCache:
        """All previews that were drawn."""
        return PreviewCache(self.preview_folder, self.config.cache.preview_bytes)

    @cached_property
    def nights(self) -> Nights:
        """The nights of all targets at the site."""
        return Nights(self.config.site, self.compute_sky)

    @cached_property
    def sockets(self) -> SocketRegistry:
        """All open websockets."""
        websockets = self.config.websockets
        return SocketRegistry(websockets.write_seconds, websockets.ping_seconds)
