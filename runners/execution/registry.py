"""The pipelines that are built in or installed, and the description of a pipeline's class.

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
    """Return the pipelines that installed packages provide by entry point, name to class path."""
    return {
        point.name: point.value.replace(":", ".") for point in entry_points(group=ENTRY_POINT_GROUP)
    }


async def describe(pool: Pool, path: str, import_folder: str | None) -> dict[str, Any]:
    """Return the description that a child makes of a class; `error` says why it cannot run."""
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
    """Import the class and send its description: the child's side."""
    isolate(import_folder)
    try:
        answer = describe_class(worker.load(path))
    except BaseException as error:
        answer = {"error": f"{type(error).__name__}: {worker.message_of(error)}"}
    messages_fd = messages.fileno()
    with open(messages_fd, "wb", closefd=False) as pipe:
        pipe.write(msgspec.json.encode(answer))


def describe_class(pipeline: type[PipelineProcess]) -> dict[str, Any]:
    """Return the description of a pipeline class. Raise an error for invalid attributes."""
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
    except TypeError:  # not defined in a file
        return None


def _short_name(name: Any) -> str:
    if not (isinstance(name, str) and name and name.isprintable() and len(name) <= 50):
        raise ValueError("short_name must be 1 to 50 visible characters")
    if "/" in name or "\\" in name:
        raise ValueError("short_name must not contain slashes")
    return name
