"""Reads what a child says, as fast as it can be stored; what it means is left to `messages`."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from server.execution.child.messages import ChildMessages
from server.execution.places.place import PipeReader
from server.logs.entries import Line

#: How much may wait to be stored before the child is made to wait.
SPOOL_CHARACTERS = 2_000_000
SPOOL_LINES = 20_000


class OutputBuffer:
    """The bounded buffer between a child's pipes and the store.

    `news` is set when there is something to store, and cleared by whoever stores it.
    """

    def __init__(self) -> None:
        self.messages = ChildMessages()
        self.news = asyncio.Event()
        #: set when the child has sent its last message
        self.finished = asyncio.Event()
        self._room = asyncio.Event()

    async def pump(self, name: str, reader: PipeReader) -> None:
        """Read a pipe to its end, making its writer wait while the buffer is full."""
        while data := await reader.read():
            self._feed(name, data)
            await self._until_room()

    async def drain(self, readers: Mapping[str, PipeReader]) -> None:
        """Read what is in the pipes now that the whole process group of the run is gone.

        A process that left the group may keep them open and write for ever: it is not waited for.
        """
        for name, reader in readers.items():
            left = reader.present_bytes()
            while left > 0 and (data := reader.read_present(left)):
                left -= len(data)
                self._feed(name, data)
                await self._until_room()
        self.messages.end()
        self.news.set()

    def take(self) -> tuple[list[Line], int]:
        """Remove the lines to be stored, and return them and how many characters they have."""
        assembler = self.messages.assembler
        characters = assembler.ready_characters
        self._room.set()
        return assembler.take(), characters

    def _feed(self, name: str, data: bytes) -> None:
        if name == "messages":
            self.messages.feed_messages(data)
            if self.messages.last is not None:
                self.finished.set()
        else:
            self.messages.feed_raw(name, data)
        self.news.set()

    async def _until_room(self) -> None:
        while self._is_full():
            self._room.clear()
            await self._room.wait()

    def _is_full(self) -> bool:
        assembler = self.messages.assembler
        return assembler.ready_characters > SPOOL_CHARACTERS or len(assembler.ready) > SPOOL_LINES
