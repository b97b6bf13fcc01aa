"""The child processes that read files for the server and compute for its pages, each of one kind.

So nobody waits for another kind of work, and a file that crashes its reader crashes no server.
"""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from dataclasses import dataclass

from runners.confinement.environment import of_runs
from runners.examiner import ANSWER_SECONDS, IDLE_SECONDS, Examiner
from server.config import Config

#: What computes the sky ends after this time: it is quick to start, and nights are remembered.
ALMANAC_IDLE_SECONDS = 120.0
#: How long a search for a period may take, and for how long its process waits for another one.
SEARCH_SECONDS, SEARCHER_IDLE_SECONDS = 15.0, 120.0


@dataclass(frozen=True, kw_only=True)
class Examiners:
    """Those of a server; all but the one of files start with their first request."""

    #: reads the headers of what is stored, draws previews, reads tables
    of_files: Examiner
    #: reads the pixels that viewers look at, so that previews do not keep them waiting
    viewer: Examiner
    #: computes the sky of targets
    almanac: Examiner
    #: searches light curves for periods, one at a time, for those who still wait
    searcher: Examiner


def open_examiners(config: Config, stack: AsyncExitStack) -> Examiners:
    """Return the examiners, none of them started; the stack closes them."""
    environment = of_runs(os.environ, config.limits.environment)
    examiners = Examiners(
        of_files=Examiner(environment=environment),
        viewer=Examiner(environment=environment, idle_seconds=IDLE_SECONDS, subject="views"),
        almanac=Examiner(2 * ANSWER_SECONDS, environment, ALMANAC_IDLE_SECONDS, subject="sky"),
        searcher=Examiner(
            SEARCH_SECONDS, environment, SEARCHER_IDLE_SECONDS, subject="periods", abandons=True
        ),
    )
    for each in (examiners.of_files, examiners.viewer, examiners.almanac, examiners.searcher):
        stack.push_async_callback(each.close)
    return examiners
