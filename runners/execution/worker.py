"""The child's side of a run: set up, import the pipeline, run it, report.

Runs in the main thread of an OS process of its own, forked from the warm template. The server's
side is `pool`; writing messages is left to `reporter`, resource limits to `limits`, and separation
from the server to `isolation`.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import mmap
import os
import resource
import select
import signal
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec

from runners.compat import settings as compat_settings
from runners.confinement import environment
from runners.confinement.confine import Confinement, NotConfined, confine
from runners.confinement.wording import in_words
from runners.execution import joining, process_tags, streams
from runners.execution.isolation import isolate, redirect
from runners.execution.limits import Limits, apply, out_of_memory, prefer_when_out_of_memory
from runners.execution.provenance import provenance
from runners.execution.reporter import PipeReporter, without_surrogates
from runners.pipeline.inputs import InputFiles, InputProduct, RunTarget
from runners.pipeline.outputs import Made, made
from runners.pipeline.process import AsyncError, Cancelled, PipelineProcess, identify

UNEXPECTED = "An unexpected error occurred"
CANCEL = b"c"
#: A sign of life from whoever supervises the run.
ALIVE = b"a"
#: Reserved where the address space is limited, and freed to report that it is exhausted.
RESERVE_BYTES = 4 * 2**20


class RunSpec(msgspec.Struct, frozen=True, kw_only=True):
    """All that a child needs to know, sent as JSON; `import_folder` goes on the import path.

    With `silence_seconds`, the run ends itself when there is no sign of life for so long: whoever
    supervises it may be stopped and unable to end it.
    `compat` has what `runners.compat.settings` gives the pipeline.
    `environment` is the whole one, None for that of the template; None in `confinement` for none.
    """

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
    log_level: str = "info"
    compat: dict[str, Any] = {}
    environment: dict[str, str] | None = None
    confinement: Confinement | None = None
    silence_seconds: float | None = None


#: Made by the template, so that no run spends the time.
_SPECIFICATION = msgspec.json.Decoder(RunSpec)


def run(
    spec: bytes, messages: Connection, out: Connection, err: Connection, control: Connection
) -> None:
    """Run one attempt of a process; the entry point of the child."""
    run_spec = _SPECIFICATION.decode(spec)
    isolate(run_spec.import_folder)
    if run_spec.environment is not None:
        environment.replace(run_spec.environment)
    process_tags.tag(run_spec.pk, run_spec.identifier)
    for pipe in (messages, control):
        os.set_inheritable(pipe.fileno(), False)  # programs that the pipeline starts need neither
    reporter = joining.ChildReporter(messages.fileno(), main=threading.get_ident())
    redirect(reporter, out, err, run_spec.log_level)
    joining.admit_children(reporter, run_spec.log_level)
    reporter.send("hello", os.getpid(), os.getppid())
    prefer_when_out_of_memory()
    try:
        _confine(reporter, run_spec)  # while there is but one thread
    except NotConfined as error:
        reporter.send_alone("failed", str(error))
        return
    _start_watching(control, reporter, run_spec.silence_seconds)
    _handle_sigterm()
    _usage(reporter)
    try:
        code = _report(reporter, run_spec)
    except OSError as error:
        _write_raw(
            f"The pipe over which the run is heard does not work any more: {in_words(error)}\n"
        )
        os._exit(1)
    _exit_as_a_script()
    sys.exit(code)


def _confine(reporter: PipeReporter, spec: RunSpec) -> None:
    """Confine this process if it is to be, and report what is in force. Raise NotConfined."""
    if spec.confinement is not None:
        stored = [each.data.source.stored for each in spec.inputs]
        force = confine(spec.confinement, stored)
        reporter.send("confined", force.landlock, force.reason, force.writable)


def _start_watching(
    control: Connection, reporter: PipeReporter, silence_seconds: float | None
) -> None:
    # SIGTERM is blocked in the thread: delivered there, to a run that was stopped and continues, it
    # would not interrupt the main thread, which alone acts on it.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    arguments = (control, reporter, silence_seconds)
    threading.Thread(target=_watch, args=arguments, daemon=True).start()
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(control: Connection, reporter: PipeReporter, silence_seconds: float | None) -> None:
    # The pipe closes when the server has ended, in whatever way: then nothing may be left running.
    # (If the interpreter's lock is held for ever, the template kills the run, where it can.)
    try:
        while _is_heard(control, silence_seconds) and (data := os.read(control.fileno(), 1)):
            if data == CANCEL:
                reporter.cancelled = True
    except OSError:
        return  # the pipeline has closed it
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _is_heard(control: Connection, silence_seconds: float | None) -> bool:
    """Wait for something to read; return whether it came in time."""
    if silence_seconds is None:
        return True
    poll = select.poll()
    poll.register(control, select.POLLIN)
    # A run that was stopped itself for a while finds what has been sent meanwhile.
    return any(poll.poll(seconds * 1000) for seconds in (silence_seconds, 0))


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


def _exit_as_a_script() -> None:
    """Wait for threads, and call the handlers of `atexit`, which the end of a child leaves out."""
    shutdown: Any = getattr(threading, "_shutdown", None)
    run_handlers: Any = atexit._run_exitfuncs
    if shutdown is not None:
        shutdown()
    run_handlers()
    streams.finish()


def _report(reporter: PipeReporter, spec: RunSpec) -> int:
    """Run the pipeline, send its one last message, and return the exit code."""
    run = os.getpid()
    limited = spec.limits.address_space_bytes is not None
    reserve = mmap.mmap(-1, RESERVE_BYTES) if limited else None
    outputs = _Outputs(reporter)
    code = 0
    failure: tuple[str, ...] | None = None
    try:
        _run_pipeline(outputs, reporter, spec)
    except Cancelled:
        failure = ("cancelled",)
    except AsyncError as error:
        failure = ("failed", message_of(error))
    except SystemExit as error:
        code = exit_code(error)
        failure = ("failed", _ending(error, code)) if code else None
    except BaseException as error:
        if reserve is not None:
            reserve.close()
        _explain(reporter, error, spec.limits)
        code, failure = int(os.getpid() != run), ("failed", UNEXPECTED)
    if os.getpid() != run:
        # A fork of the pipeline that returned here does not report for the run.
        _exit_as_a_script()
        os._exit(code)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _usage(reporter)
    reporter.send_alone(*(failure or ("done", outputs.sent)))
    return code


def exit_code(error: SystemExit) -> int:
    """Return the exit code that a script ends with by this error, from 0 to 255."""
    if error.code is None:
        return 0
    return error.code & 0xFF if isinstance(error.code, int) else 1


def _ending(error: SystemExit, code: int) -> str:
    """Return the words that the pipeline exited with, or else its exit code in words."""
    words = None if isinstance(error.code, int) else message_of(error)
    return f"The pipeline ended with exit code {code}" if words in (None, UNEXPECTED) else words


class _Outputs:
    """Sends the outputs of this run, and counts them so that the server can tell if one is lost."""

    def __init__(self, reporter: PipeReporter) -> None:
        self._reporter = reporter
        self._run = os.getpid()
        self.sent = 0

    def send(self, output: Made) -> None:
        """Send an output, unless this is a fork of the run, which does not speak for it."""
        if os.getpid() == self._run:
            facts = str(output.path), output.name, output.output_type, output.main
            kind = (output.data_product_type,) if output.data_product_type else ()
            self._reporter.send_alone("output", *facts, *kind)
            self.sent += 1


def _explain(reporter: PipeReporter, error: BaseException, limits: Limits) -> None:
    """Log an unexpected error."""
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


def _run_pipeline(outputs: _Outputs, reporter: PipeReporter, spec: RunSpec) -> None:
    apply(spec.limits)
    compat_settings.configure(spec.compat, spec.import_folder)
    pipeline_class = _imported(reporter, spec.path)
    folder = Path(spec.folder)
    os.chdir(folder)
    pipeline = pipeline_class(
        reporter, spec.target, InputFiles(spec.inputs), spec.identifier, spec.settings
    )
    identify(pipeline, spec.pk)
    outbox = folder.with_name("outputs")

    def warn(line: str) -> None:
        reporter.text(f"{line}\n", level="warning")

    result = pipeline.do_pipeline(folder, **spec.flags)
    for output in made(result, folder, outbox, note=pipeline.log, warn=warn):
        outputs.send(output)


def _imported(reporter: PipeReporter, path: str) -> type[PipelineProcess]:
    """Import the pipeline's class; the provenance is reported even if that fails.

    :raises AsyncError: its module is missing, or it, or one that it imports, has a syntax error.
    """
    found = None
    try:
        found = load(path)
        return found
    except SyntaxError as error:
        reporter.text(_traceback(error), "traceback", "error")
        raise AsyncError(syntax_error(error)) from error
    except ModuleNotFoundError as error:
        if not f"{path}.".startswith(f"{error.name}."):
            raise
        reporter.text(_traceback(error), "traceback", "error")
        raise AsyncError(missing_module(error)) from error
    finally:
        reporter.send("provenance", provenance(found))


def load(path: str) -> type[PipelineProcess]:
    """Import the class at `package.module.Class`. Raise AsyncError if it is not a pipeline."""
    module_name, _, class_name = path.rpartition(".")
    module = importlib.import_module(module_name)
    if not hasattr(module, class_name):
        raise AsyncError(f"{module_name} has no class {class_name}")
    found = getattr(module, class_name)
    if not (isinstance(found, type) and issubclass(found, PipelineProcess)):
        raise AsyncError(f"{path} is not a subclass of PipelineProcess")
    return found


def missing_module(error: ModuleNotFoundError) -> str:
    """Return that the pipeline itself is not installed on this machine."""
    return f"The pipeline cannot be imported: there is no module {error.name} where it runs"


def syntax_error(error: SyntaxError) -> str:
    """Return what is wrong with a module, and where, in a sentence."""
    name = Path(error.filename or "").name or "a module"
    where = name if error.lineno is None else f"{name}, line {error.lineno}"
    return f"The pipeline cannot be imported: {error.msg} ({where})"


def message_of(error: BaseException) -> str:
    """Return an exception's message, `UNEXPECTED` if it has none."""
    # An author's __str__ may raise an error itself.
    with contextlib.suppress(Exception):
        return without_surrogates(str(error)) or UNEXPECTED
    return UNEXPECTED


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception:
        where = "".join(traceback.format_tb(error.__traceback__))
        return f"Traceback (most recent call last):\n{where}{type(error).__qualname__}\n"
