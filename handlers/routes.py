"""All routes of the server, the polled ones first, as Tornado tries them in order."""

from __future__ import annotations

from tornado.routing import URLSpec

from handlers import websockets
from handlers.api import (
    film_frames,
    groups,
    logs,
    pipelines,
    processes,
    products,
    receipts,
    search,
    shares,
    sky,
    status,
    targets,
    tickets,
)
from handlers.api.light_curves import routes as light_curves
from handlers.description import routes as description
from handlers.files import download, live_preview, pixels, previews
from handlers.files import zip as zips
from handlers.operations import health, metrics, server_status, webhooks
from handlers.pages import login, not_found, sessions
from handlers.pages import products as product_pages
from handlers.pages import targets as targets_page
from handlers.pages.assets import plot, static_files
from handlers.pages.predecessor import redirects as old_files
from handlers.pages.predecessor import selection as old_selection
from handlers.pages.predecessor import target_data as old_form
from handlers.pages.processes import compare, shared
from handlers.pages.processes import now as now_page
from handlers.pages.processes import process as process_page
from handlers.pages.processes import processes as processes_page
from handlers.pages.processes import receipt as receipt_page
from handlers.pages.target import page as target_page
from handlers.services import Services

#: Each ends with `routes(services)`; those that are requested most often come first.
MODULES = (
    status,
    logs,
    processes,
    receipts,
    film_frames,
    websockets,
    targets,
    search,
    light_curves,
    sky,
    products,
    groups,
    pipelines,
    tickets,
    shares,
    download,
    zips,
    previews,
    pixels,
    live_preview,
    plot,
    health,
    metrics,
    server_status,
    webhooks,
    login,
    sessions,
    static_files,
    targets_page,
    target_page,
    now_page,
    processes_page,
    process_page,
    shared,
    receipt_page,
    compare,
    product_pages,
    old_form,
    old_files,
    old_selection,
)


def all_routes(services: Services) -> list[URLSpec]:
    """Return every route, the last ones for the paths that no other answers."""
    known = [route for module in MODULES for route in module.routes(services)]
    known += description.routes(services, known)
    return known + not_found.routes(services, known)
