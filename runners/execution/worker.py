"""The child's side of a run: set up, import the pipeline, run it, report.

Runs in the main thread of an OS process of its own, forked from the warm template. The server's
side is `pool`; writing messages is left to `reporter`, resource limits to `limits`, and separation
from the server to `isolation`.
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
from runners.wording import in_words

UNEXPECTED = "An unexpected error occurred"
CANCEL = b"c"
#: Reserved where the address space is limited, and freed to report that it is exhausted.
RESERVE_BYTES = 4 * 2**20


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a child needs to know, sent as JSON; `import_folder` goes on the import path."""

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


#: Made by the template, so that no run spends the time.
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
    _handle_sigterm()
    reporter.send("hello", os.getpid(), os.getppid())
    _usage(reporter)
    try:
        _report(reporter, run_spec)
    except OSError as error:
        _write_raw(
            f"The pipe over which the run is heard does not work any more: {in_words(error)}\n"
        )
        os._exit(1)


def _start_watching(control: Connection, reporter: PipeReporter) -> None:
    # SIGTERM is blocked in the thread: delivered there, to a run that was stopped and continues, it
    # would not interrupt the main thread, which alone acts on it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_watch, args=(control, reporter), daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(control: Connection, reporter: PipeReporter) -> None:
    # The pipe closes when the server has ended, in whatever way: then nothing may be left running.
    # (If the interpreter's lock is held for ever, the template kills the run, where it can.)
    try:
        while data := os.read(control.fileno(), 1):
            if data == CANCEL:
                reporter.cancelled = True
    except OSError:
        return  # the pipeline has closed it
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _handle_sigterm() -> None:
    """Cancel the run on SIGTERM, and let SIGTERM end the pipeline's own forks as usual.

    A fork loses signals that arrive while it is set up, and a handler in Python is not called while
    a lock is waited for. So SIGTERM is blocked there until its default action ends the fork.
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
        last = ("failed", message_of(error))
    except BaseException as error:
        if reserve is not None:
            reserve.close()
        _explain(reporter, error, spec.limits, forked=os.getpid() != run)
        last = ("failed", UNEXPECTED)
    if os.getpid() != run:
        os._exit(0)  # a fork of the pipeline that returned here does not report for the run
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _usage(reporter)
    reporter.end(*last)


def _explain(reporter: PipeReporter, error: BaseException, limits: Limits, forked: bool) -> None:
    """Log an unexpected error."""
    if forked and isinstance(error, SystemExit):
        return
    text = _traceback(error)
    if isinstance(error, MemoryError):
        text += out_of_memory(limits)
    try:
        reporter.text(text, "traceback", "error")
    except OSError:
        _write_raw(text)
        raise


def _write_raw(text: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, text.encode("utf-8", "replace"))


def _usage(reporter: PipeReporter) -> None:
    """Report CPU seconds and peak RSS in bytes, of this process and those it has waited for."""
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
    """Import the pipeline's class; the provenance is reported even if that fails."""
    found = None
    try:
        found = load(path)
        return found
    finally:
        reporter.send("provenance", provenance(found))


def load(path: str) -> type[PipelineProcess]:
    """Import the class at `package.module.Class`. Raise AsyncError if it is not a pipeline."""
    module_name, _, class_name = path.rpartition(".")
    found = getattr(importlib.import_module(module_name), class_name, None)
    if not (isinstance(found, type) and issubclass(found, PipelineProcess)):
        raise AsyncError(f"{path} is not a subclass of PipelineProcess")
    return found


def message_of(error: BaseException) -> str:
    """Return an exception's message, `UNEXPECTED` if it has none."""
    # An author's __str__ may raise an error itself.
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
    """Return an input as the child sees it."""
    return InputProduct(pk, name, InputData(path, name))
