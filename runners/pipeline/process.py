"""What authors of pipelines import: the base class, its errors and its outputs.

The surface is that of tom_education's `PipelineProcess`, so that a pipeline moves here by changing
its import. How a run is set up and reported is left to `runners.execution.worker`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

from runners.pipeline.inputs import InputFiles, RunTarget

STATUS_LIMIT = 200
DATA_PRODUCT, REDUCED_DATUM = "DataProduct", "ReducedDatum"
NO_INPUTS = "No input files to process"
#: The server's own words for a record's first and last states.
RESERVED_STATUSES = frozenset({"pending", "created", "failed", "cancelled"})


class AsyncError(Exception):
    """Fails the process with this message, without a traceback."""


class Cancelled(BaseException):
    """Somebody cancelled the run. No `Exception`, so that `except Exception` lets it pass."""


class DataProduct:
    """As `output_type`: the file becomes a data product."""


class ReducedDatum:
    """As `output_type`: the file is a table of measurements of the target; see `reduced`."""


class PipelineOutput(NamedTuple):
    """A file that a pipeline made. `output_type` is `DataProduct` or `ReducedDatum`, or its name.

    The further fields are those of the predecessor's tuples.
    """

    path: str | Path
    output_type: type | str = DataProduct
    data_product_type: str = ""
    name: str | None = None

    def type_name(self) -> str:
        """`DataProduct` or `ReducedDatum`; raises AsyncError for anything else."""
        given = self.output_type
        name = given if isinstance(given, str) else getattr(given, "__name__", str(given))
        if name not in (DATA_PRODUCT, REDUCED_DATUM):
            raise AsyncError(f"Invalid output type '{name}'")
        return name


class Reporter(Protocol):
    """Where a run's words go: to the server, or in `runners.testing` to a list."""

    def text(self, text: str) -> None: ...
    def status(self, text: str) -> None: ...
    def progress(self, done: float, total: float) -> None: ...
    @property
    def cancelled(self) -> bool: ...


class PipelineProcess:
    """A pipeline: subclass it, say what files and flags it takes, write `do_pipeline`.

    `short_name` begins the identifiers of its processes. `allowed_suffixes` None or empty means any
    file. `flags` maps a name to `{"default": bool, "long_name": str}`.
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
        self._text = reporter.text

    @classmethod
    def unavailable(cls) -> str | None:
        """Why this pipeline cannot run on this machine, in a sentence; None when it can."""
        return None

    def do_pipeline(self, tmpdir: Path, **flags: bool) -> Iterable[Any] | None:
        """Do the work: return or yield the output files (paths or `PipelineOutput`), or None.

        `tmpdir` is an empty folder of this attempt. Raises AsyncError to fail with a message.
        """
        raise AsyncError("Must be implemented in child classes")

    def log(self, msg: object, end: str = "\n") -> None:
        """Write to the log of the process. It has left this process when the call returns."""
        self._text(f"{msg}{end}")

    def update_status(self, text: str) -> AbstractContextManager[None]:
        """Say what is being done now; to be used as `with self.update_status("Measuring"):`.

        The text stays until the next one. Raises ValueError for the server's own words.
        """
        text = str(text)[:STATUS_LIMIT]
        if text in RESERVED_STATUSES:
            raise ValueError(f"'{text}' is a status that only the server sets")
        self.status = text
        self._reporter.status(text)
        return nullcontext()

    def progress(self, done: float, total: float) -> None:
        """Say how much is done: `done` of `total`, finite numbers of a unit of your choice."""
        self._reporter.progress(done, total)

    def check_cancelled(self) -> None:
        """End the run here if somebody cancelled it; call it where stopping is safe."""
        if self._reporter.cancelled:
            raise Cancelled

    def save(self) -> None:
        """Does nothing: kept for the predecessor's pipelines, every change is stored at once."""


def suffix_problem(allowed: Sequence[str], name: str) -> str | None:
    """Why a file is not for a pipeline, in the predecessor's words; None when it is."""
    if not allowed or name.lower().endswith(tuple(suffix.lower() for suffix in allowed)):
        return None
    return (
        f"Error running pipeline File '{name}' does not end an allowed filename suffix "
        f"({', '.join(allowed)})"
    )


def flags_of(pipeline: type[PipelineProcess], given: Mapping[str, bool]) -> dict[str, bool]:
    """All flags of a pipeline, as given or by default. Raises AsyncError for unknown ones."""
    known = pipeline.flags or {}
    if unknown := sorted(set(given) - set(known)):
        raise AsyncError(f"Unknown flag '{unknown[0]}' (known: {', '.join(known) or 'none'})")
    return {name: bool(given.get(name, flag["default"])) for name, flag in known.items()}


def outputs_of(result: Any) -> Iterator[PipelineOutput]:
    """What `do_pipeline` gave, one output at a time; raises AsyncError for what is no output."""
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
