"""All routes of the server, the polled ones first: Tornado tries them in this order."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers import (
    async_status,
    dataproducts,
    files,
    groups,
    health,
    light_curves,
    live,
    login,
    not_found,
    pages,
    pipeline_logs,
    pipelines,
    plots,
    previews,
    processes,
    product_pages,
    receipts,
    run_pictures,
    static_files,
    targets,
)
from handlers.services import Services


def all_routes(services: Services) -> list[URLSpec]:
    """Every route, down to the one that answers what no other does."""
    known = [
        *async_status.routes(services),
        *pipeline_logs.routes(services),
        *processes.routes(services),
        *receipts.routes(services),
        *live.routes(services),
        *targets.routes(services),
        *light_curves.routes(services),
        *dataproducts.routes(services),
        *groups.routes(services),
        *pipelines.routes(services),
        *files.routes(services),
        *previews.routes(services),
        *run_pictures.routes(services),
        *plots.routes(services),
        *health.routes(services),
        *login.routes(services),
        *static_files.routes(),
        *(
            URLSpec(path, page, {"services": services})
            for path, page in [*pages.routes, *product_pages.routes]
        ),
    ]
    return known + not_found.routes(services, known)
