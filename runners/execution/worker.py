"""The child's side of a run: set up, import the pipeline, run it, report.

Runs in the main thread of an OS process of its own, forked from the warm template. The server's
side is `pool`; how messages are written is left to `reporter`, what a run may use to `limits`, and
how it is kept apart from the server to `isolation`.
"""

from __future__ import annotations

import contextlib
import importlib
import mmap
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

from runners.execution import process_tags
from runners.execution.isolation import isolate, redirect
from runners.execution.limits import Limits, apply, out_of_memory
from runners.execution.provenance import provenance
from runners.execution.reporter import PipeReporter
from runners.pipeline.inputs import InputData, InputFiles, InputProduct, RunTarget
from runners.pipeline.outputs import made
from runners.pipeline.process import AsyncError, Cancelled, PipelineProcess

UNEXPECTED = "An unexpected error occurred"
CANCEL = b"c"
#: Kept back where the address space is limited, to say with what came of it.
RESERVE_BYTES = 4 * 2**20


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a child must know, as JSON; `import_folder` goes onto the import path."""

    pk: int
    path: str
    identifier: str
    target: RunTarget
    inputs: list[InputProduct]
    flags: dict[str, bool]
    settings: dict[str, Any]
    folder: str
    import_folder: str | None
    limits: Limits


#: Made by the template, so that no run takes the time for it.
_SPECIFICATION = msgspec.json.Decoder(RunSpec)


def run(
    spec: bytes, messages: Connection, out: Connection, err: Connection, control: Connection
) -> None:
    """Run one attempt of a process; the entry point of the child."""
    run_spec = _SPECIFICATION.decode(spec)
    isolate(run_spec.import_folder)
    process_tags.tag(run_spec.pk, run_spec.identifier)
    for pipe in (messages, control):
        os.set_inheritable(pipe.fileno(), False)  # programs that the pipeline starts need neither
    reporter = PipeReporter(messages.fileno())
    redirect(reporter, out, err)
    _start_watching(control, reporter)
    _hear_sigterm()
    reporter.send("hello", os.getpid(), os.getppid())
    _usage(reporter)
    try:
        _report(reporter, run_spec)
    except OSError as error:
        _say_raw(f"The pipe over which the run is heard does not work any more: {error}\n")
        os._exit(1)


def _start_watching(control: Connection, reporter: PipeReporter) -> None:
    # In a thread that hears no SIGTERM: taken there by a run that was stopped and goes on, it would
    # not end the sleep of the main thread, which alone acts on it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_watch, args=(control, reporter), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(control: Connection, reporter: PipeReporter) -> None:
    # The server's pipe closes when the server is gone, however it went: then nothing may stay.
    # (Should the interpreter's lock be held for ever, the template sees to it, where it can.)
    try:
        while data := os.read(control.fileno(), 1):
            if data == CANCEL:
                reporter.cancelled = True
    except OSError:
        return  # the pipeline has closed it
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _hear_sigterm() -> None:
    """Be cancelled by SIGTERM, and let forks of the pipeline's own end by it as elsewhere.

    A fork forgets the signals that come before it has its bearings, and a handler in Python is not
    called while a lock is waited for. So SIGTERM waits there until it ends the fork by itself.
    """
    masks = threading.local()

    def before() -> None:
        masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def after() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.before)

    def in_child() -> None:
        if signal.getsignal(signal.SIGTERM) is _cancel:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        after()

    signal.signal(signal.SIGTERM, _cancel)
    os.register_at_fork(before=before, after_in_parent=after, after_in_child=in_child)


def _cancel(number: int, frame: FrameType | None) -> None:
    raise Cancelled


def _report(reporter: PipeReporter, spec: RunSpec) -> None:
    """Run the pipeline and send its one last message."""
    run = os.getpid()
    limited = spec.limits.address_space_bytes is not None
    reserve = mmap.mmap(-1, RESERVE_BYTES) if limited else None
    last: tuple[str, ...] = ("done",)
    try:
        _run_pipeline(reporter, spec)
    except Cancelled:
        last = ("cancelled",)
    except AsyncError as error:
        last = ("failed", words(error))
    except BaseException as error:
        if reserve is not None:
            reserve.close()
        _explain(reporter, error, spec.limits, forked=os.getpid() != run)
        last = ("failed", UNEXPECTED)
    if os.getpid() != run:
        os._exit(0)  # forked by the pipeline and come back here: it does not speak for the run
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _usage(reporter)
    reporter.end(*last)


def _explain(reporter: PipeReporter, error: BaseException, limits: Limits, forked: bool) -> None:
    """Bring an error that nobody expected into the log."""
    if forked and isinstance(error, SystemExit):
        return
    text = _traceback(error)
    if isinstance(error, MemoryError):
        text += out_of_memory(limits)
    try:
        reporter.text(text, "traceback", "error")
    except OSError:
        _say_raw(text)
        raise


def _say_raw(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, text.encode("utf-8", "replace"))


def _usage(reporter: PipeReporter) -> None:
    """Tell CPU seconds and peak RSS in bytes, of this process and those it waited for."""
    own, waited = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu = own.ru_utime + own.ru_stime + waited.ru_utime + waited.ru_stime
    unit = 1 if sys.platform == "darwin" else 1024
    reporter.send("usage", float(cpu), max(own.ru_maxrss, waited.ru_maxrss) * unit)


def _run_pipeline(reporter: PipeReporter, spec: RunSpec) -> None:
    apply(spec.limits)
    pipeline_class = _imported(reporter, spec.path)
    folder = Path(spec.folder)
    os.chdir(folder)
    pipeline = pipeline_class(
        reporter, spec.target, InputFiles(spec.inputs), spec.identifier, spec.settings
    )
    for output in made(pipeline.do_pipeline(folder, **spec.flags), folder):
        reporter.send("output", str(output.path), output.name, output.output_type)


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
