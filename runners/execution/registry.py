"""The pipelines that are built in or installed, and the description of a pipeline's class.

The server never imports an author's module: a child does, describes the class as JSON and ends.
What a class may declare is left to `class_description`.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import traceback
from importlib.metadata import entry_points
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from runners.compat import settings as compat_settings
from runners.confinement import environment
from runners.confinement.confine import Confinement, NotConfined, confine
from runners.confinement.wording import in_one_line
from runners.execution import worker
from runners.execution.class_description import (
    BadAttribute,
    describe_class,
    files_of,
    files_of_error,
    source_of,
)
from runners.execution.exits import exit_in_words
from runners.execution.isolation import isolate
from runners.execution.pool import Pool, Run
from runners.pipeline.process import AsyncError, PipelineProcess

BUILT_IN = {
    "Timelapse": "runners.timelapse.Timelapse",
    "Dummy": "runners.dummy.Dummy",
    "astrosource": "runners.astrosource.AstroSource",
}
ENTRY_POINT_GROUP = "heliograph.pipelines"
#: The longest description, as JSON.
DESCRIPTION_BYTES = 2**20
#: The pauses before a description is tried again that nothing of the pipeline's has prevented.
AGAIN_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 3.0, 5.0)


#: These import the classes, so they are in every traceback.
_OWN_FILES = (__file__, worker.__file__, importlib.__file__)


class Interrupted(Exception):
    """The child was not started, or ended with the process that starts the runs."""


def installed_pipelines() -> dict[str, str]:
    """Return the pipelines that installed packages provide by entry point, name to class path."""
    return {
        point.name: point.value.replace(":", ".") for point in entry_points(group=ENTRY_POINT_GROUP)
    }


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a child that imports a class is given and may do, as a `RunSpec` says it of a run."""

    compat: dict[str, Any] = {}
    environment: dict[str, str] | None = None
    confinement: Confinement | None = None


UNBOUNDED = Bounds()


async def describe(
    pool: Pool,
    path: str,
    import_folder: str | None,
    limit_seconds: float,
    bounds: Bounds = UNBOUNDED,
) -> dict[str, Any]:
    """Return the description that a child makes of a class; `error` says why it cannot run.

    `files` are those to look at for changes. Importing the class may take `limit_seconds`.
    """
    for pause in AGAIN_SECONDS:
        try:
            return await _describe_once(pool, path, import_folder, limit_seconds, bounds)
        except Interrupted:
            await asyncio.sleep(pause)
    try:
        return await _describe_once(pool, path, import_folder, limit_seconds, bounds)
    except Interrupted:
        files = files_of(path, import_folder)
        return {"error": "The server could not start a process to import it", "files": files}


async def _describe_once(
    pool: Pool, path: str, import_folder: str | None, limit_seconds: float, bounds: Bounds
) -> dict[str, Any]:
    try:
        sent = msgspec.json.encode(bounds)
        run = await pool.launch(describe_in_child, path, import_folder, sent)
    except Exception as error:  # nothing of the pipeline has run yet
        raise Interrupted from error
    late = False
    answer = b""
    try:
        async with asyncio.timeout(limit_seconds):
            while answer.count(b"\n") < 2 and len(answer) <= DESCRIPTION_BYTES:
                if not (piece := await run.readers["messages"].read()):
                    break
                answer += piece
            else:
                run.kill()  # what it leaves running is not waited for
            await run.wait()
    except TimeoutError:
        late = True
    finally:
        run.kill()
        code = await run.wait()
        run.close()
    return _understood(answer, run, code, limit_seconds if late else None)


def _understood(answer: bytes, run: Run, code: int, late_after: float | None) -> dict[str, Any]:
    """Return what the child's lines amount to: the files, then the description."""
    first, _, second = answer.partition(b"\n")
    files = _files(_decoded(first))
    if second.endswith(b"\n") and (description := _decoded(second)):
        return {**description, "files": files + _files(description)}
    if len(answer) > DESCRIPTION_BYTES:
        reason = f"Its description is over {DESCRIPTION_BYTES:,} bytes"
    elif late_after is not None:
        reason = f"Importing it took more than {late_after:g} s (limits.import_seconds)"
    elif run.orphaned or not answer:
        raise Interrupted
    else:
        reason = f"Its process ended with {exit_in_words(code)} while it was imported"
    return {"error": reason, "files": files}


def _decoded(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        return {}


def _files(facts: dict[str, Any]) -> list[str]:
    """Return the files that a child names, which may be anything."""
    files = facts.get("files")
    return [file for file in files if isinstance(file, str)] if isinstance(files, list) else []


def describe_in_child(
    path: str, import_folder: str | None, bounds: bytes, messages: Connection, *others: Connection
) -> None:
    """Import the class and send its files and its description: the child's side."""
    isolate(import_folder)
    within = msgspec.json.decode(bounds, type=Bounds)
    if within.environment is not None:
        environment.replace(within.environment)
    os.set_inheritable(messages.fileno(), False)
    # First, as the import may never end.
    _send(messages, {"files": files_of(path, import_folder)})
    try:
        compat_settings.configure(within.compat, import_folder)
        if within.confinement is not None:
            confine(within.confinement)
        answer = _description(worker.load(path))
        _send(messages, answer)
    except BaseException as error:
        files = files_of_error(error, import_folder)
        _send(messages, {"error": _sentence(error), "files": files})
    os._exit(0)  # whatever the import has started


def _description(pipeline: type[PipelineProcess]) -> dict[str, Any]:
    try:
        return describe_class(pipeline) | {"files": source_of(pipeline)}
    except BadAttribute as error:
        return {"error": str(error), "files": source_of(pipeline)}


def _send(messages: Connection, facts: dict[str, Any]) -> None:
    with open(messages.fileno(), "wb", closefd=False) as pipe:
        pipe.write(msgspec.json.encode(facts) + b"\n")


def _sentence(error: BaseException) -> str:
    """Return why a class cannot be imported, in the error's words and with its place in the code.

    Of paths only the last part is given: the folders of the server are nobody's business.
    """
    if isinstance(error, SyntaxError):
        return worker.syntax_error(error)
    message = worker.message_of(error)
    if isinstance(error, AsyncError | NotConfined):
        return message
    place = _place(error)
    return f"The pipeline cannot be imported: {_words(error, message)}{place}"


def _words(error: BaseException, message: str) -> str:
    if isinstance(error, SystemExit):
        return f"it exits ({message})"
    if isinstance(error, KeyError):
        return f"there is no key {message}"
    if isinstance(error, OSError) and error.strerror:
        name = Path(error.filename).name if isinstance(error.filename, str) else ""
        return f"{error.strerror}: {name}" if name else str(error.strerror)
    return "an unexpected error occurred" if message == worker.UNEXPECTED else in_one_line(message)


def _place(error: BaseException) -> str:
    """Return the author's file and line where an error was raised, in brackets, or nothing."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith("<") and frame.filename not in _OWN_FILES
    ]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
