"""The page of a target: its data products, its processes, and a form to start one."""

from __future__ import annotations

from typing import Any

from tornado.routing import URLSpec

from handlers.http.query import PK, integer, parse_pk
from handlers.http.routing import route
from handlers.pages.base import Page
from handlers.services import Services

#: How many of each list the page shows at first.
PROCESSES_SHOWN = 8
PRODUCTS_SHOWN = 100

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


class TargetPage(Page):
    """`/targets/<pk>/`: one target's processes and data products, and a pipeline to run."""

    async def get(self, pk: str) -> None:
        """Show the target, its data products from `?before=` on."""
        target = await self.archive.targets.get(parse_pk(pk))
        before = integer(self, "before", 1)
        products = await self.archive.products.find(target.pk, before=before, limit=PRODUCTS_SHOWN)
        processes = await self.processes.find(target=target.pk, limit=PROCESSES_SHOWN)
        self.show(
            "pages/target.html",
            target=target,
            products=await self.archive.products.fields(products.items),
            older_products=products.next,
            processes=[self.process_fields(record) for record in processes.items],
            older=processes.next,
            pipelines=self.processes.pipelines.values(),
            blank=BLANK_PROCESS,
            names={},
        )


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the page of a target."""
    return [route(rf"/targets/{PK}/", TargetPage, services)]
