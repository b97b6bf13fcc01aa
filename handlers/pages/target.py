"""The page of a target: its data products, its processes, and a form to start one."""

from __future__ import annotations

from typing import Any

from tornado.routing import URLSpec

from handlers.http.query import PK, parse_pk
from handlers.pages.base import Page
from handlers.services import Services

#: How much of each list the page shows at first.
PROCESSES_SHOWN = 8


PRODUCTS_SHOWN = 100


#: Stands where a script will put a new process's facts.
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
        target = await self.archive.targets.get(parse_pk(pk))
        products = await self.archive.products.find(
            target.pk, before=self.cursor("before"), limit=PRODUCTS_SHOWN
        )
        processes = await self.processes.find(target=target.pk, limit=PROCESSES_SHOWN)
        self.show(
            "pages/target.html",
            target=target,
            products=await self.archive.products.fields(products.items),
            older_products=products.next,
            processes=[self.facts(record) for record in processes.items],
            older=processes.next,
            pipelines=self.processes.pipelines.values(),
            blank=BLANK_PROCESS,
        )


def routes(services: Services) -> list[URLSpec]:
    """The page of a target."""
    return [URLSpec(rf"/targets/{PK}/", TargetPage, {"services": services})]
