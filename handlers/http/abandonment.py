"""Work that stops when the client that asked for it is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from handlers.http.base import BaseHandler

T = TypeVar("T")


class AbandonableHandler(BaseHandler):
    """A handler whose work may take long, and is for this one client alone."""

    _work: asyncio.Future[Any] | None = None

    async def while_wanted(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Return the result of the work, None if the client has gone, which stops the work."""
        self._work = task = asyncio.ensure_future(work)
        try:
            return await task
        except asyncio.CancelledError:
            # A coroutine always runs in a task, which the type of `current_task` does not say.
            if asyncio.current_task().cancelling():  # type: ignore[union-attr]
                task.cancel()
                raise
            return None
        finally:
            self._work = None

    def on_connection_close(self) -> None:
        """Stop the work."""
        if self._work is not None:
            self._work.cancel()
