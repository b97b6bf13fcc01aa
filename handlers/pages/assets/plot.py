"""`/plot`: a page that draws light curves in a sandboxed frame, and BokehJS from its own wheel.

The page holds no data and cannot fetch any: the page that embeds it passes the points in. It has an
origin of its own, so its looser policy lets nothing into ours.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path

from tornado.routing import URLSpec

from handlers.http.routing import route
from handlers.pages.assets.static_files import StaticFiles, content_of
from handlers.pages.base import Page
from handlers.services import Services

#: BokehJS adds inline styles while it draws.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data: blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)


class PlotPage(Page):
    """The page in the frame. It holds no data, so it needs no token."""

    open_to_all = True

    def set_default_headers(self) -> None:
        """Set the policy of this page."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", POLICY)

    def get(self) -> None:
        """Show the empty page."""
        self.render("pages/plot_frame.html")


class PlotScript(StaticFiles):
    """A script of BokehJS, sent as it is."""

    commented = False

    async def get(self, path: str) -> None:
        """Send the script; its megabyte is compressed once, and in a thread."""
        script = self.folder / path
        if script.is_file():
            await asyncio.to_thread(content_of, str(script.resolve()), self.commented)
        await super().get(path)


def bokeh_folder() -> Path:
    """Return the folder of the scripts in Bokeh's wheel, of which nothing is imported."""
    spec = find_spec("bokeh")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0] if folders else "/nowhere") / "server" / "static" / "js"


def routes(services: Services) -> list[URLSpec]:
    """Return the routes of the page and of the two scripts that it needs."""
    folder = bokeh_folder().resolve()
    return [
        route(r"/plot", PlotPage, services),
        route(r"/plot/(bokeh(?:-api)?\.min\.js)", PlotScript, services, folder=folder),
    ]
