"""`/api/search/`: targets, processes and data products by what one knows of them."""

from __future__ import annotations

import re

from tornado.routing import URLSpec

from handlers.api.targets import fields_of
from handlers.http.base import BaseHandler
from handlers.http.query import integer, text
from handlers.http.routing import route
from handlers.services import Services
from server.core.records import Target

#: How much of a text is heeded, and how many words of it.
MAX_TEXT, MAX_WORDS = 200, 5
#: The processes of how many of the targets that were found are shown.
TARGETS_OF_PROCESSES = 3
WORD = re.compile(r"\w+")


class SearchHandler(BaseHandler):
    """All that can be searched, each along an index and up to a limit."""

    quiet = True

    async def get(self) -> None:
        """Answer with what the text may mean; without one, with nothing."""
        asked = (text(self, "q") or "")[:MAX_TEXT].strip()
        limit = integer(self, "limit", 1, 50) or 8
        if not asked:
            await self.answer({"targets": [], "processes": [], "dataproducts": []})
            return
        words = WORD.findall(asked.casefold().replace("_", " "))[:MAX_WORDS]
        pipelines = self._pipelines(words)
        targets = await self._targets(words, limit)
        processes = await self.processes.overview.search(
            asked,
            [target.pk for target in targets[:TARGETS_OF_PROCESSES]],
            [name for names in pipelines.values() for name in names],
            limit,
        )
        products = await self.archive.products.named(asked, limit)
        await self.answer(
            {
                "targets": [fields_of(target) for target in targets],
                "processes": [self.processes.fields(record) for record in processes],
                "dataproducts": await self.archive.products.fields(products),
            }
        )

    async def _targets(self, words: list[str], limit: int) -> list[Target]:
        """Return the targets with all words, but for those that mean a pipeline if none has all."""
        found = await self.archive.activity.named(words, limit)
        others = [word for word in words if word not in self._pipelines(words)]
        if found or len(others) == len(words):
            return found
        return await self.archive.activity.named(others, limit)

    def _pipelines(self, words: list[str]) -> dict[str, list[str]]:
        """Return the pipelines that have a word that begins so, by the words that mean any."""
        found: dict[str, list[str]] = {}
        for name, pipeline in self.processes.pipelines.items():
            own = WORD.findall(f"{name} {pipeline.short_name}".casefold().replace("_", " "))
            for word in words:
                if any(each.startswith(word) for each in own):
                    found.setdefault(word, []).append(name)
        return found


def routes(services: Services) -> list[URLSpec]:
    """Return the route of the search."""
    return [route(r"/api/search/", SearchHandler, services)]
