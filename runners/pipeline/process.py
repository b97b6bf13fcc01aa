"""What authors of pipelines import: the base class, its errors and its outputs.

The interface is that of tom_education's `PipelineProcess`: a pipeline moves here by changing its
import. How a run is set up and reported is left to `runners.execution.worker`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import Any, ClassVar, Protocol

from runners.pipeline.absent import NO_DATABASE, OF_PROCESSES
from runners.pipeline.errors import AsyncError as AsyncError
from runners.pipeline.errors import missing, not_available
from runners.pipeline.inputs import InputFiles, RunTarget
from runners.pipeline.logged_text import LoggedText
from runners.pipeline.results import DATA_PRODUCT as DATA_PRODUCT
from runners.pipeline.results import REDUCED_DATUM as REDUCED_DATUM
from runners.pipeline.results import DataProduct as DataProduct
from runners.pipeline.results import PipelineOutput as PipelineOutput
from runners.pipeline.results import ReducedDatum as ReducedDatum
from runners.pipeline.results import outputs_of as outputs_of

STATUS_LIMIT = 200
NO_INPUTS = "No input files to process"
#: Set by the server alone, for a record's first and last states.
RESERVED_STATUSES = frozenset({"pending", "created", "failed", "cancelled"})
#: Three of them as tom_education calls them.
ASYNC_STATUS_PENDING, ASYNC_STATUS_CREATED, ASYNC_STATUS_FAILED = "pending", "created", "failed"
ASYNC_TERMINAL_STATES = (ASYNC_STATUS_CREATED, ASYNC_STATUS_FAILED)
#: Suffixes of FITS, and those of files that are packed as a whole.
FITS = (".fits", ".fit", ".fts")
PACKED = (".gz", ".bz2", ".z", ".xz")


class Cancelled(BaseException):
    """The run was cancelled. Not an `Exception`, so that `except Exception` does not catch it."""


class _NoDatabase:
    """In the place of Django's managers: says in whose line there is none."""

    def __get__(self, instance: object, owner: type) -> Any:
        raise not_available(f"{owner.__name__}.objects", NO_DATABASE)


class Reporter(Protocol):
    """What receives a run's log and status: the server, or in `runners.testing` the test."""

    def text(self, text: str, *, level: str = "info") -> None:
        """Take text for the log, line ends included."""

    def frame(self, line: str, facts: Mapping[str, Any], *, level: str = "info") -> None:
        """Take the log line about a frame of a film, and the facts of the frame.

        They are those of `server.processes.film_frames`.
        """

    def status(self, text: str) -> None:
        """Take a new status."""

    def progress(self, done: float, total: float) -> None:
        """Take how much is done."""

    @property
    def cancelled(self) -> bool:
        """Whether the run is to end."""


class PipelineProcess:
    """A pipeline: subclass it, declare what files and flags it takes, write `do_pipeline`.

    The identifiers of its processes begin with `short_name`. It takes any file if
    `allowed_suffixes` is None or empty. `flags` maps each name to
    `{"default": bool, "long_name": str}`.
    """

    short_name: ClassVar[str] = "pipeline"
    process_type: ClassVar[str] = "pipeline"
    allowed_suffixes: ClassVar[list[str] | None] = None
    flags: ClassVar[dict[str, dict[str, Any]] | None] = None
    #: the PK of the process, `id` is the same
    pk: int = 0
    id: int = 0
    #: of tom_education: the group of outputs, and how it failed, are known after the run only
    group: Any = None
    failure_message: str = ""
    terminal_timestamp: Any = None
    objects = _NoDatabase()

    def __init__(
        self,
        reporter: Reporter,
        target: RunTarget,
        input_files: InputFiles,
        identifier: str,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self._reporter = reporter
        self.target = target
        self.input_files = input_files
        self.identifier = identifier
        self.settings = settings or {}
        self.status: Any = "running"
        self._shown_status: Any = "running"
        self._logged = LoggedText()
        self._logs: Any = None

    @classmethod
    def unavailable(cls) -> str | None:
        """Return why this pipeline cannot run on this machine, in a sentence, or None."""
        return None

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterable[Any] | None:
        """Do the work: return or yield the output files (paths or `PipelineOutput`), or None.

        `tmpdir` is an empty folder of this attempt. Raise AsyncError to fail with a message.
        """
        raise AsyncError("Must be implemented in child classes")

    def log(self, msg: object, end: str = "\n") -> None:
        """Write to the log of the process; on return the text is on its way to the server."""
        text = f"{msg}{end}"
        self._logged.add(text)
        self._reporter.text(text)

    @property
    def logs(self) -> Any:
        r"""What this run has logged so far, of a long log the last million characters.

        What is added to it is logged: `self.logs += "text\n"`. Nothing can be taken away.
        """
        return self._logged.text() if self._logs is None else self._logs

    @logs.setter
    def logs(self, value: Any) -> None:
        if isinstance(value, str):
            if added := self._logged.added_by(value):
                self.log(added, end="")
        elif value is not None:  # the author's own, of the same name
            self._logs = value

    def update_status(self, text: str) -> AbstractContextManager[None]:
        """Set the status to what is being done, as in `with self.update_status("Measuring"):`.

        It stays until the next one. Raise ValueError for a status that only the server sets.
        """
        text = str(text)[:STATUS_LIMIT]
        if text in RESERVED_STATUSES:
            raise ValueError(f"'{text}' is a status that only the server sets")
        self.status = self._shown_status = text
        self._reporter.status(text)
        return nullcontext()

    def progress(self, done: float, total: float) -> None:
        """Report that `done` of `total` is done, finite numbers in a unit of your choice."""
        self._reporter.progress(done, total)

    def check_cancelled(self) -> None:
        """End the run here if it has been cancelled; call this where stopping is safe."""
        if self._reporter.cancelled:
            raise Cancelled

    def save(self, *_arguments: Any, **_options: Any) -> None:
        """Show a `status` that was set by hand. All else is stored as it changes.

        One that only the server sets is not shown, and the log says so.
        """
        if self.status == self._shown_status:
            return
        self._shown_status = self.status
        text = str(self.status)[:STATUS_LIMIT]
        if text in RESERVED_STATUSES:
            self._reporter.text(
                f"The status '{text}' is not shown: the server sets it\n", level="warning"
            )
        else:
            self._reporter.status(text)

    def refresh_from_db(self, *_arguments: Any, **_options: Any) -> None:
        """Do nothing: kept for the predecessor's pipelines."""

    full_clean = clean = refresh_from_db

    def __getattr__(self, name: str) -> Any:
        raise missing(type(self).__name__, name, OF_PROCESSES)


def identify(pipeline: PipelineProcess, pk: int) -> None:
    """Tell a pipeline the PK of its process, unless its author uses these names otherwise."""
    for name in ("pk", "id"):
        with suppress(AttributeError):
            setattr(pipeline, name, pk)


def suffix_problem(allowed: Sequence[str], name: str) -> str | None:
    """Return why a pipeline does not take a file, in the predecessor's words, or None.

    Packed FITS is taken wherever plain FITS is: astropy reads both.
    """
    taken = [suffix.lower() for suffix in allowed]
    taken += [suffix + packed for suffix in taken if suffix in FITS for packed in PACKED]
    if not allowed or name.lower().endswith(tuple(taken)):
        return None
    return (
        f"Error running pipeline File '{name}' does not end an allowed filename suffix "
        f"({', '.join(allowed)})"
    )


def flags_of(pipeline: type[PipelineProcess], given: Mapping[str, bool]) -> dict[str, bool]:
    """Return all flags of a pipeline, given or by default. Raise AsyncError for unknown ones."""
    known = pipeline.flags or {}
    if unknown := sorted(set(given) - set(known)):
        raise AsyncError(f"Unknown flag '{unknown[0]}' (known: {', '.join(known) or 'none'})")
    return {name: bool(given.get(name, flag["default"])) for name, flag in known.items()}
