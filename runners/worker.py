"""The child's side of a run: set up, import the pipeline, run it, report.

Runs in the main thread of an OS process of its own, forked from the warm template. The server's
side is `runners.pool`; how messages are written is left to `runners.reporter`.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import resource
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from runners.inputs import InputData, InputFiles, InputProduct, RunTarget
from runners.pipeline import AsyncError, Cancelled, PipelineProcess, outputs_of
from runners.provenance import provenance
from runners.reporter import LogHandler, PipeReporter, TextStream

UNEXPECTED = "An unexpected error occurred"
CANCEL = b"c"


class Limits(msgspec.Struct, frozen=True):
    """What a run may use; None leaves it as it is. `nice` is added to the process's niceness."""

    address_space_bytes: int | None = None
    cpu_seconds: int | None = None
    file_size_bytes: int | None = None
    open_files: int | None = None
    nice: int = 0


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a child must know, as JSON; `import_folder` goes onto the import path."""

    path: str
    identifier: str
    target: RunTarget
    inputs: list[InputProduct]
    flags: dict[str, bool]
    settings: dict[str, Any]
    folder: str
    import_folder: str | None
    limits: Limits


def run(
    spec: bytes, messages: Connection, out: Connection, err: Connection, control: Connection
) -> None:
    """Run one attempt of a process; the entry point of the child."""
    run_spec = msgspec.json.decode(spec, type=RunSpec)
    isolate(run_spec.import_folder)
    reporter = PipeReporter(messages.fileno())
    _redirect(reporter, out.fileno(), err.fileno())
    threading.Thread(target=_watch, args=(control, reporter), daemon=True).start()
    signal.signal(signal.SIGTERM, _terminate)
    reporter.send("hello", os.getpid())
    _apply(run_spec.limits)
    _report(reporter, run_spec)


def isolate(import_folder: str | None) -> None:
    """Leave the server's session, and make an author's modules importable."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if import_folder:
        sys.path.insert(0, import_folder)


def _redirect(reporter: PipeReporter, out: int, err: int) -> None:
    # At descriptor level too: C libraries and programs started by the pipeline are heard as well.
    null = os.open(os.devnull, os.O_RDONLY)
    for source, descriptor in ((null, 0), (out, 1), (err, 2)):
        os.dup2(source, descriptor)
    os.close(null)
    sys.stdout = TextStream(reporter, "stdout", "info", 1)
    sys.stderr = TextStream(reporter, "stderr", "warning", 2)
    faulthandler.enable(file=2)
    root = logging.getLogger()
    root.addHandler(LogHandler(reporter))
    root.setLevel(logging.DEBUG)
    for chatty in ("matplotlib", "PIL", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.INFO)
    logging.captureWarnings(True)


def _watch(control: Connection, reporter: PipeReporter) -> None:
    # The server's pipe closes when the server is gone, however it went: then nothing may stay.
    while data := os.read(control.fileno(), 1):
        if data == CANCEL:
            reporter.cancelled = True
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Cancelled


def _apply(limits: Limits) -> None:
    kinds = {
        resource.RLIMIT_AS: limits.address_space_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_FSIZE: limits.file_size_bytes,
        resource.RLIMIT_NOFILE: limits.open_files,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in kinds.items():
        if limit is not None:
            hard = resource.getrlimit(kind)[1]
            soft = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (soft, hard))
    # A write over the size limit is then an OSError that says so, and not a signal.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    if limits.nice:
        os.nice(limits.nice)


def _report(reporter: PipeReporter, spec: RunSpec) -> None:
    """Run the pipeline and send its one last message."""
    try:
        _run_pipeline(reporter, spec)
        _usage(reporter)
        reporter.send("done")
    except Cancelled:
        reporter.send("cancelled")
    except AsyncError as error:
        reporter.send("failed", words(error))
    except BaseException as error:
        reporter.text(_traceback(error), "traceback", "error")
        reporter.send("failed", UNEXPECTED)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _usage(reporter: PipeReporter) -> None:
    """Tell CPU seconds and peak RSS in bytes, of this process and those it waited for."""
    own, waited = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu = own.ru_utime + own.ru_stime + waited.ru_utime + waited.ru_stime
    unit = 1 if sys.platform == "darwin" else 1024
    reporter.send("usage", float(cpu), max(own.ru_maxrss, waited.ru_maxrss) * unit)


def _run_pipeline(reporter: PipeReporter, spec: RunSpec) -> None:
    pipeline_class = _imported(reporter, spec.path)
    folder = Path(spec.folder)
    os.chdir(folder)
    pipeline = pipeline_class(
        reporter, spec.target, InputFiles(spec.inputs), spec.identifier, spec.settings
    )
    for output in outputs_of(pipeline.do_pipeline(folder, **spec.flags)):
        path = folder / output.path
        if not path.is_file():
            raise AsyncError(f"The output '{path.name}' is not a file")
        reporter.send("output", str(path), output.name or path.name, output.type_name())


def _imported(reporter: PipeReporter, path: str) -> type[PipelineProcess]:
    """The pipeline's class; what it and its environment are is told even when there is none."""
    found = None
    try:
        found = load(path)
        return found
    finally:
        reporter.send("provenance", provenance(found))


def load(path: str) -> type[PipelineProcess]:
    """Import the class at `package.module.Class`. Raises AsyncError when it is not a pipeline."""
    module_name, _, class_name = path.rpartition(".")
    found = getattr(importlib.import_module(module_name), class_name, None)
    if not (isinstance(found, type) and issubclass(found, PipelineProcess)):
        raise AsyncError(f"{path} is not a subclass of PipelineProcess")
    return found


def words(error: BaseException) -> str:
    """What an exception says of itself, if it can."""
    # An author's __str__ may raise as well.
    with contextlib.suppress(Exception):
        return str(error).encode("utf-8", "replace").decode() or UNEXPECTED
    return UNEXPECTED


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        where = "".join(traceback.format_tb(error.__traceback__))
        return f"Traceback (most recent call last):\n{where}{type(error).__qualname__}\n"


def input_product(pk: int, name: str, path: str) -> InputProduct:
    """An input as the child sees it."""
    return InputProduct(pk, name, InputData(path, name))
