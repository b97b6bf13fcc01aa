"""The server that a command works with: the one that uses the data folder, or a temporary one.

The temporary one runs in a thread of this process, on a free loopback port.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from runners.confinement import memory
from server.access.secrets_file import read_secrets
from server.app.logging_setup import set_up_logging
from server.cli.api_client import ApiClient
from server.config import Config
from server.config.sections import Http
from server.config.sources import remove_variables
from server.core.disk.data_folder import announced, announced_certificate, is_held
from server.core.errors import StartError

ANNOUNCE_SECONDS = 10.0
START_SECONDS = 120.0
STOP_SECONDS = 60.0
_LOOK_SECONDS = 0.05

#: Addresses that stand for all addresses of the machine, and how to reach them on it.
ANYWHERE = {"//0.0.0.0:": "//127.0.0.1:", "//[::]:": "//[::1]:"}


@contextlib.contextmanager
def server_of(config: Config) -> Iterator[ApiClient]:
    """Yield a client of the server that uses the configured data folder.

    Start a server for the duration of the block if none does. Raise StartError if that fails.
    """
    folder = config.data
    if is_held(folder):
        address = _announced(folder)
        certificate = announced_certificate(folder)
        with contextlib.closing(ApiClient(address, _token_of(config), certificate)) as client:
            yield client
        return
    # The folder may have named tokens, whose secrets nobody knows here.
    token = secrets.token_urlsafe()
    with (
        _started(config, token) as address,
        contextlib.closing(ApiClient(address, token)) as client,
    ):
        yield client


def _token_of(config: Config) -> str | None:
    """Return a token of the configuration, None without one."""
    if config.http.tokens or config.http.tokens_file is None:
        return next(iter(config.http.tokens), None)
    return next(iter(read_secrets(config.http.tokens_file)), None)


def _announced(folder: Path) -> str:
    """Return the address of the server that uses the folder, which may be about to announce it."""
    deadline = time.monotonic() + ANNOUNCE_SECONDS
    while (address := announced(folder)) is None:
        if time.monotonic() > deadline:
            raise StartError(f"A server uses the data folder {folder} but announces no address")
        time.sleep(_LOOK_SECONDS)
    return reachable(address)


def reachable(address: str) -> str:
    """Return how a server that has announced this address is reached on this machine."""
    for everywhere, here in ANYWHERE.items():
        address = address.replace(everywhere, here)
    return address


@contextlib.contextmanager
def _started(config: Config, token: str) -> Iterator[str]:
    """Start a server in a thread of this process and yield its address."""
    memory.hide()
    set_up_logging(logging.WARNING)
    remove_variables(os.environ)
    temporary = dataclasses.replace(config, http=Http(host="127.0.0.1", port=0, tokens=(token,)))
    thread = _ServerThread(temporary)
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

        async with Server(self._config, alone=True) as server:
            await server.start()
            self._address = server.address
            self._is_ready.set()
            await self._stopping.wait()

    def ready(self) -> str:
        """Wait until the server is ready and return its address.

        Raise whatever kept it from starting, StartError if that took too long.
        """
        if not self._is_ready.wait(START_SECONDS):
            raise StartError("The server did not start in time")
        if self._failure is not None:
            raise self._failure
        return self._address

    def stop(self) -> None:
        """Stop the server in order."""
        with contextlib.suppress(RuntimeError):  # its loop is closed already
            self._loop.call_soon_threadsafe(self._stopping.set)
        self.join(STOP_SECONDS)
