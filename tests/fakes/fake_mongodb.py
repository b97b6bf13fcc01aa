"""A database that speaks enough of MongoDB's protocol to be connected to, and is wrong on purpose.

It keeps documents by `_id` in memory and knows the commands that a start sends first.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import bson

_HEADER = struct.Struct("<iiii")
_QUERY, _MSG, _REPLY = 2004, 2013, 1

Document = dict[str, Any]


@dataclass
class FakeMongoDB:
    """A database; its fields say what is wrong with it."""

    wire_version: int = 21
    knows_hello: bool = True
    #: reads, lets others go on, then writes: as an engine without locks does
    loses_changes: bool = False
    #: hands out the same number to two callers, although it stores all changes
    repeats_answers: bool = False
    documents: dict[Any, Document] = field(default_factory=dict)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve until the context ends, and yield the URI."""
        server = await asyncio.start_server(self._client, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        try:
            yield f"mongodb://127.0.0.1:{port}/?directConnection=true"
        finally:
            server.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size, request, _, opcode = _HEADER.unpack(await reader.readexactly(16))
                body = await reader.readexactly(size - 16)
                writer.write(await self._answer(opcode, request, body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, opcode: int, request: int, body: bytes) -> bytes:
        if opcode == _QUERY:  # the first message of each connection
            answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self._hello())
            return _HEADER.pack(16 + len(answer), 1, request, _REPLY) + answer
        command = _command(body)
        answer = struct.pack("<i", 0) + b"\0" + bson.encode(await self._do(command))
        return _HEADER.pack(16 + len(answer), 1, request, _MSG) + answer

    def _hello(self) -> Document:
        return {
            "ok": 1.0,
            "ismaster": True,
            "isWritablePrimary": True,
            "helloOk": self.knows_hello,
            "maxWireVersion": self.wire_version,
            "minWireVersion": 0,
            "maxBsonObjectSize": 16 * 1024**2,
            "maxMessageSizeBytes": 48_000_000,
            "maxWriteBatchSize": 100_000,
        }

    async def _do(self, command: Document) -> Document:
        name = next(iter(command))
        if name == "ismaster" or (name == "hello" and self.knows_hello):
            return self._hello()
        if name in ("update", "findAndModify", "find", "delete"):
            done: Document = await getattr(self, f"_{name}")(command)
            return {"ok": 1.0} | done
        return {"ok": 0.0, "errmsg": f"no such command: '{name}'", "code": 59}

    async def _update(self, command: Document) -> Document:
        [update] = command["updates"]
        self.documents[update["q"]["_id"]] = update["u"]
        return {"n": 1, "nModified": 1}

    async def _findAndModify(self, command: Document) -> Document:
        wanted = command["query"]["_id"]
        found = dict(self.documents[wanted])
        if self.loses_changes:
            await asyncio.sleep(0.1)  # longer than all the others take to come
        found["n"] += command["update"]["$inc"]["n"]
        self.documents[wanted] = found
        answer = found | {"n": found["n"] // 2 * 2} if self.repeats_answers else found
        return {"value": answer, "lastErrorObject": {"n": 1, "updatedExisting": True}}

    async def _find(self, command: Document) -> Document:
        found = self.documents.get(command["filter"]["_id"])
        batch = [] if found is None else [found]
        return {"cursor": {"id": 0, "ns": "heliograph.installation", "firstBatch": batch}}

    async def _delete(self, command: Document) -> Document:
        [delete] = command["deletes"]
        return {"n": 0 if self.documents.pop(delete["q"]["_id"], None) is None else 1}


def _command(body: bytes) -> Document:
    """Return the command of an OP_MSG, the documents of its other sections among its fields."""
    command: Document = {}
    at = 4
    while at < len(body):
        kind, at = body[at], at + 1
        size = struct.unpack_from("<i", body, at)[0]
        if kind == 0:
            command |= bson.decode(body[at : at + size])
        else:
            name, _, documents = body[at + 4 : at + size].partition(b"\0")
            command[name.decode()] = bson.decode_all(documents)
        at += size
    return command
