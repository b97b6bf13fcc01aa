"""Which pipelines there are, and what each of them is, learned in child processes.

The server never imports an author's module: a child does, describes the class as JSON and ends.
"""

from __future__ import annotations

import asyncio
import inspect
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from runners.execution import worker
from runners.execution.isolation import isolate
from runners.execution.pool import Pool
from runners.pipeline.process import PipelineProcess

BUILT_IN = {
    "Timelapse": "runners.timelapse.Timelapse",
    "Dummy": "runners.dummy.Dummy",
    "astrosource": "runners.astrosource.AstroSource",
}
ENTRY_POINT_GROUP = "heliograph.pipelines"
DESCRIBE_SECONDS = 30.0


def installed_pipelines() -> dict[str, str]:
    """The pipelines that installed packages offer by entry point, name to class path."""
    return {
        point.name: point.value.replace(":", ".") for point in entry_points(group=ENTRY_POINT_GROUP)
    }


async def describe(pool: Pool, path: str, import_folder: str | None) -> dict[str, Any]:
    """Return the fields that a child finds at a class path; `error` says why it cannot run."""
    run = await pool.launch(describe_in_child, path, import_folder)
    try:
        answer = await asyncio.wait_for(_all(run.readers["messages"].read), DESCRIBE_SECONDS)
    except TimeoutError:
        answer = b""
    finally:
        run.kill()
        await run.wait()
        run.close()
    try:
        return msgspec.json.decode(answer, type=dict[str, Any])
    except msgspec.DecodeError as error:
        reason = str(error) if answer else "it could not be imported: the process ended or hung"
        return {"error": reason}


async def _all(read: Any) -> bytes:
    pieces = []
    while data := await read():
        pieces.append(data)
    return b"".join(pieces)


def describe_in_child(
    path: str, import_folder: str | None, messages: Connection, *others: Connection
) -> None:
    """The child's side: import the class and send what it says of itself."""
    isolate(import_folder)
    try:
        answer = describe_class(worker.load(path))
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {worker.words(error)}"}
    messages_fd = messages.fileno()
    with open(messages_fd, "wb", closefd=False) as pipe:
        pipe.write(msgspec.json.encode(answer))


def describe_class(pipeline: type[PipelineProcess]) -> dict[str, Any]:
    """The facts of a pipeline class. Raises for declarations that make no sense."""
    flags = {
        name: {
            "default": bool(flag.get("default", False)),
            "long_name": str(flag.get("long_name", name)),
        }
        for name, flag in (pipeline.flags or {}).items()
    }
    return {
        "short_name": _short_name(pipeline.short_name),
        "process_type": str(pipeline.process_type),
        "description": inspect.getdoc(pipeline) or "",
        "allowed_suffixes": [str(suffix) for suffix in pipeline.allowed_suffixes or []],
        "flags": flags,
        "error": pipeline.unavailable(),
        "source": _source(pipeline),
    }


def _source(pipeline: type[PipelineProcess]) -> str | None:
    try:
        return inspect.getsourcefile(pipeline)
    except TypeError:  # not written in a file
        return None


def _short_name(name: Any) -> str:
    if not (isinstance(name, str) and name and name.isprintable() and len(name) <= 50):
        raise ValueError("short_name must be 1 to 50 visible characters")
    if "/" in name or "\\" in name:
        raise ValueError("short_name must not contain slashes")
    return name
