"""`/api/pipelines/`: what can be run."""

from __future__ import annotations

from typing import Any

from tornado.routing import URLSpec

from handlers.http.base import BaseHandler
from handlers.http.routing import route
from handlers.services import Services
from server.core.records import PipelineDescription

#: The fields of a pipeline, in the order of the API.
FIELDS = (
    "name",
    "short_name",
    "process_type",
    "description",
    "allowed_suffixes",
    "flags",
    "error",
)


class PipelinesHandler(BaseHandler):
    """All pipelines, also those that cannot run, with the reason."""

    async def get(self) -> None:
        """Answer with the pipelines."""
        pipelines = [fields_of(pipeline) for pipeline in self.processes.pipelines.values()]
        await self.answer({"pipelines": pipelines, "next": None})


def fields_of(pipeline: PipelineDescription) -> dict[str, Any]:
    """Return a pipeline as the API shows it."""
    return {name: getattr(pipeline, name) for name in FIELDS}


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the pipelines."""
    return [route(r"/api/pipelines/", PipelinesHandler, services)]
