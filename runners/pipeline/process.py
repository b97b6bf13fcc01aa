"""What authors of pipelines import: the base class, its errors and its outputs.

The interface is that of tom_education's `PipelineProcess`: a pipeline moves here by changing its
import. How a run is set up and reported is left to `runners.execution.worker`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from runners.pipeline.errors import AsyncError as AsyncError
from runners.pipeline.inputs import InputFiles, RunTarget

STATUS_LIMIT = 200
DATA_PRODUCT, REDUCED_DATUM = "DataProduct", "ReducedDatum"
NO_INPUTS = "No input files to process"
#: Set by the server alone, for a record's first and last states.
RESERVED_STATUSES = frozenset({"pending", "created", "failed", "cancelled"})
#: Suffixes of FITS, and those of files that are packed as a whole.
FITS = (".fits", ".fit", ".fts")
PACKED = (".gz", ".bz2", ".z", ".xz")


class Cancelled(BaseException):
    """The run was cancelled. Not an `Exception`, so that `except Exception` does not catch it."""


class DataProduct:
    """As `output_type`: the file becomes a data product."""


class ReducedDatum:
    """As `output_type`: the file is a table of measurements, see `pipeline.measurements`."""


class PipelineOutput(NamedTuple):
    """A file that a pipeline made. `output_type` is `DataProduct` or `ReducedDatum`, or its name.

    `main` marks the one to show first. The other fields are those of the predecessor's tuples.
    """

    path: str | Path
    output_type: type | str = DataProduct
    data_product_type: str = ""
    name: str | None = None
    main: bool = False

    def type_name(self) -> str:
        """Return `DataProduct` or `ReducedDatum`. Raise AsyncError for anything else."""
        given = self.output_type
        name = given if isinstance(given, str) else getattr(given, "__name__", str(given))
        if name not in (DATA_PRODUCT, REDUCED_DATUM):
            raise AsyncError(f"Invalid output type '{name}'")
        return name


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
        self.status = "running"

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
        self._reporter.text(f"{msg}{end}")

    def update_status(self, text: str) -> AbstractContextManager[None]:
        """Set the status to what is being done, as in `with self.update_status("Measuring"):`.

        It stays until the next one. Raise ValueError for a status that only the server sets.
        """
        text = str(text)[:STATUS_LIMIT]
        if text in RESERVED_STATUSES:
            raise ValueError(f"'{text}' is a status that only the server sets")
        self.status = text
        self._reporter.status(text)
        return nullcontext()

    def progress(self, done: float, total: float) -> None:
        """Report that `done` of `total` is done, finite numbers in a unit of your choice."""
        self._reporter.progress(done, total)

    def check_cancelled(self) -> None:
        """End the run here if it has been cancelled; call this where stopping is safe."""
        if self._reporter.cancelled:
            raise Cancelled

    def save(self) -> None:
        """Do nothing: kept for the predecessor's pipelines; every change is stored at once."""


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


def outputs_of(result: Any) -> Iterator[PipelineOutput]:
    """Yield the outputs of `do_pipeline` one by one. Raise AsyncError for anything else."""
    if result is None:
        return
    if isinstance(result, str | Path | PipelineOutput):
        result = [result]
    for item in result:
        yield _output(item)


def _output(item: Any) -> PipelineOutput:
    output = PipelineOutput(*item) if isinstance(item, tuple) else PipelineOutput(item)
    if not isinstance(output.path, str | Path):
        raise AsyncError(f"An output must be a path, not {type(output.path).__name__}")
    output.type_name()
    return output
