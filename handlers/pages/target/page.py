"""The page of a target: its results, its processes and data products, and a pipeline to run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from tornado.routing import URLSpec

from handlers.http.query import PK, integer, text
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.pages.display import display_kind
from handlers.pages.predecessor.redirects import found_or_led_on
from handlers.pages.target import frames
from handlers.services import Services
from server.archive.derived.frames import frames_of
from server.core.records import Target

#: How many processes the page shows at first, and how many outputs above them.
PROCESSES_SHOWN = 8
OUTPUTS_SHOWN = 6

#: The fields of the empty row that a script fills for a new process.
BLANK_PROCESS: dict[str, Any] = {
    "pk": "",
    "identifier": "",
    "created": 0.0,
    "status": "",
    "terminal_timestamp": None,
    "failure_message": None,
    "view_url": "#",
    "pipeline": "",
    "state": "queued",
    "progress": None,
    "started": None,
    "group": None,
    "waiting_for": None,
    "attempt": 0,
    "stopping": False,
}
#: The same for a data product.
BLANK_FRAME: dict[str, Any] = {
    "pk": "",
    "name": "",
    "size": 0,
    "content_type": "",
    "created": 0.0,
    "url": "#",
    "groups": [],
    "process": None,
    "fits": None,
    "night": None,
    "problem": None,
}


class TargetPage(Page):
    """`/targets/<pk>/`: one target's results, processes and data products."""

    async def get(self, pk: str) -> None:
        """Show the target; of its data products those that the address asks for."""
        get = self.archive.targets.get
        target = await found_or_led_on(
            self, "target", pk, get, lambda target: f"/targets/{target.pk}/"
        )
        if target is not None:
            await self._show(target)

    async def _show(self, target: Target) -> None:
        found, more = await frames_of(self.archive.products, target.pk)
        processes = await self.processes.find(target=target.pk, limit=PROCESSES_SHOWN)
        curve = await self.archive.light_curves.page(target.pk, limit=1)
        wanted, start = frames.wanted_by(self), integer(self, "from", 0) or 0
        shown = await asyncio.to_thread(frames.FrameList, found, wanted)
        self.show(
            "pages/target.html",
            target=target,
            site=self.services.config.site,
            frames=frames,
            listed=shown,
            rows=shown.shown[start : start + frames.ROWS_SHOWN],
            start=start,
            cut=more,
            film=newest_film(found),
            outputs=newest_outputs(found),
            has_curve=bool(curve.rows),
            # For scripts that have to show the first points of one.
            with_curve=bool(curve.rows) or text(self, "curve") is not None,
            processes=[self.process_fields(record) for record in processes.items],
            older=processes.next,
            pipelines=self.processes.pipelines.values(),
            blank=BLANK_PROCESS,
            names={},
            blank_frame=BLANK_FRAME,
            query_but=self.query_but,
        )

    def query_but(self, **changes: Any) -> str:
        """Return the query of the address with these parameters in place of what they were."""
        given = self.request.query_arguments
        kept = [
            (name, value.decode(errors="replace"))
            for name, values in given.items()
            if name not in changes
            for value in values
        ]
        changed = [(name, str(value)) for name, value in changes.items() if value is not None]
        return "?" + urlencode(kept + changed)


def newest_film(found: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the newest output that is a film, of data products newest first."""
    films = (each for each in found if each["kind"] == "output" and _is_film(each))
    return next(films, None)


def newest_outputs(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the newest outputs, of data products newest first."""
    return [each for each in found if each["kind"] == "output"][:OUTPUTS_SHOWN]


def _is_film(product: dict[str, Any]) -> bool:
    if product["name"].startswith("timelapse_"):
        return display_kind(product) in ("video", "image")
    return display_kind(product) == "video" or product["content_type"] == "image/gif"


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page of a target."""
    return [route(rf"/targets/{PK}/", TargetPage, services)]
