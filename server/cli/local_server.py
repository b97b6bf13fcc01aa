"""A server to talk to from the command line: the one that uses the data folder, else one of ours.

Ours runs in a thread of this process, on a loopback port of its own, as long as the block lasts.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from server.cli.api_client import ApiClient
from server.config import Config
from server.config.sections import Http
from server.core.data_folder import announced, is_held
from server.core.errors import StartError

ANNOUNCE_SECONDS = 10.0
START_SECONDS = 120.0
STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.05

#: Addresses that mean every address of the machine, and where to find them on it.
ANYWHERE = {"//0.0.0.0:": "//127.0.0.1:", "//[::]:": "//[::1]:"}


@contextlib.contextmanager
def server_of(config: Config) -> Iterator[ApiClient]:
    """A client of the server of a configuration's data folder.

    :raises StartError: there is none and none can be started.
    """
    folder = config.data
    if is_held(folder):
        tokens = config.http.tokens
        yield ApiClient(_announced(folder), tokens[0] if tokens else None)
        return
    with _started(config) as address:
        yield ApiClient(address)


def _announced(folder: Path) -> str:
    """The address of the server that holds the folder; it may be about to say it."""
    deadline = time.monotonic() + ANNOUNCE_SECONDS
    while (address := announced(folder)) is None:
        if time.monotonic() > deadline:
            raise StartError(f"A server uses the data folder {folder}, but says no address")
        time.sleep(_LOOK_SECONDS)
    for everywhere, here in ANYWHERE.items():
        address = address.replace(everywhere, here)
    return address


@contextlib.contextmanager
def _started(config: Config) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    logging.basicConfig(level=logging.WARNING)
    for name in [name for name in os.environ if name.startswith("HELIOGRAPH_")]:
        del os.environ[name]  # as for any server: runs inherit no secrets
    ours = dataclasses.replace(config, http=Http(host="127.0.0.1", port=0))
    thread = _ServerThread(ours)
    thread.start()
    try:
        yield thread.ready()
    finally:
        thread.stop()


class _ServerThread(threading.Thread):
    def __init__(self, config: Config) -> None:
        super().__init__(name="server", daemon=True)
        self._config = config
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._is_ready = threading.Event()
        self._address = ""
        self._failure: BaseException | None = None

    def run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._is_ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        from server.app.server import Server

        async with Server(self._config) as server:
            await server.start()
            self._address = server.address
            self._is_ready.set()
            await self._stopping.wait()

    def ready(self) -> str:
        """The address, once it serves. Raises StartError, or whatever kept it from starting."""
        if not self._is_ready.wait(START_SECONDS):
            raise StartError("The server did not start in time")
        if self._failure is not None:
            raise self._failure
        return self._address

    def stop(self) -> None:
        """Stop it in order."""
        with contextlib.suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self.join(STOP_SECONDS)
