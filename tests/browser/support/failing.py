"""Modules of a page that do not come, and what the page says of them."""

from __future__ import annotations

import re
import time

from playwright.sync_api import Page, Route

AWAY = "The server cannot be reached."
RELOAD = "A part of this page could not be loaded. Reload the page."
PATIENCE_SECONDS = 30.0


def fail_once(page: Page, module: str) -> list[str]:
    """Let the first request for a module fail; return the requests for it."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            route.abort("connectionrefused")
        else:
            route.continue_()

    page.route(re.compile(rf"/{re.escape(module)}$"), answer)
    return asked


class Held:
    """Requests for a module that wait, as for a frozen server."""

    def __init__(self, page: Page, module: str) -> None:
        self._page = page
        self._routes: list[Route] = []
        page.route(re.compile(rf"{re.escape(module)}$"), lambda route: self._routes.append(route))

    def wait(self) -> None:
        """Wait until the module has been asked for."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._routes:
            assert time.monotonic() < deadline, "it was not asked for"
            self._page.wait_for_timeout(20)

    def let_go(self) -> None:
        """Let them go on, once there are any."""
        self.wait()
        for route in self._routes:
            route.continue_()
