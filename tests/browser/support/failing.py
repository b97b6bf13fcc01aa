"""Modules of a page that do not come, and what the page says of them."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Route

AWAY = "The server cannot be reached."
RELOAD = "A part of this page could not be loaded. Reload the page."


def fail_once(page: Page, module: str) -> list[str]:
    """Let the first request for a module fail; return the requests for it."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.abort("connectionrefused")
        else:
            route.continue_()

    page.route(re.compile(rf"/{module}\b"), answer)
    return asked


def hold(page: Page, module: str) -> list[Route]:
    """Let the requests for a module wait, as a frozen server does; return them."""
    held: list[Route] = []

    def wait(route: Route) -> None:
        held.append(route)

    page.route(re.compile(rf"/{module}\b"), wait)
    return held
