"""`/plot`: a page that draws light curves, shut into a frame, and BokehJS from its own wheel.

The page holds no data and can ask for none: who embeds it hands the points in. It has an origin of
its own, so its looser policy lets nothing into ours.
"""

from __future__ import annotations

import asyncio
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tornado.routing import URLSpec

from handlers.http.base import PageHandler
from handlers.pages.static_files import StaticFiles, content_of
from handlers.services import Services

#: BokehJS makes styles of its own as it draws.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data: blob:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'; sandbox allow-scripts"
)


class PlotPage(PageHandler):
    """The page in the frame. Nothing of anybody's is on it."""

    open_to_all = True

    def set_default_headers(self) -> None:
        """A policy of its own."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", POLICY)

    def get(self) -> None:
        """Draw the empty page."""
        self.render("pages/plot_frame.html")


class PlotScript(StaticFiles):
    """A script of BokehJS."""

    async def get(self, path: str, include_body: bool = True) -> None:
        """Send it; a megabyte is compressed once, and not on the loop."""
        place = Path(self.root) / path
        if place.is_file():
            await asyncio.to_thread(content_of, str(place))
        await super().get(path, include_body)


def bokeh_folder() -> Path:
    """Where the wheel of Bokeh has its scripts. Nothing of it is imported."""
    spec = find_spec("bokeh")
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0] if places else "/nowhere") / "server" / "static" / "js"


def routes(services: Services) -> list[URLSpec]:
    """The page and the two scripts that it needs."""
    scripts: dict[str, Any] = {"path": str(bokeh_folder())}
    return [
        URLSpec(r"/plot", PlotPage, {"services": services}),
        URLSpec(r"/plot/(bokeh(?:-api)?\.min\.js)", PlotScript, scripts),
    ]
