"""The records, frozen: what the store keeps and everything else passes around.

A change makes a new record (`evolve`). Times are Unix seconds, PKs positive integers.
"""

from __future__ import annotations

import enum
from typing import Any, Literal, NamedTuple, Self, get_args
from urllib.parse import quote

import msgspec

#: The largest PK that a URL or a body may name.
LARGEST_PK = 2**31 - 1
#: Room for the PKs or lines of one owner in an index key, `owner * KEY_RANGE + number`. It is in
#: what is stored, so it never changes.
KEY_RANGE = 2**32
#: The largest integer that JSON input, the configuration and the database take alike.
LARGEST_INTEGER = 2**63 - 1
Level = Literal["debug", "info", "warning", "error"]
#: The levels of log lines, the least severe first.
LEVELS: tuple[Level, ...] = get_args(Level)


class State(enum.StrEnum):
    """Where a process stands."""

    QUEUED = "queued"  #: stored, waits for a slot
    RUNNING = "running"  #: claimed by a server
    SUCCEEDED = "succeeded"  #: ended without error, its outputs are published
    FAILED = "failed"  #: ended with an error, `failure_message` says why
    CANCELLED = "cancelled"  #: ended on request

    @property
    def ended(self) -> bool:
        """Whether this is a last state."""
        return not MOVES[self]


#: The `failure_message` of a process that was lost once too often, and of one that was cancelled.
LOST = "Lost: the server that ran it stopped"
CANCELLED = "Cancelled"

#: The only legal moves between states. A process goes back to the queue when its server is lost or
#: hands it back.
MOVES: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED}),
    State.RUNNING: frozenset({State.QUEUED, State.SUCCEEDED, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
}

#: The specified `status` of each state. While a process runs, its pipeline can replace it.
STATUS_OF_STATE: dict[State, str] = {
    State.QUEUED: "pending",
    State.RUNNING: "running",
    State.SUCCEEDED: "created",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


def check_move(before: State, after: State) -> None:
    """Raise ValueError, naming both sides, unless a process may move from one to the other."""
    if after not in MOVES[before]:
        raise ValueError(f"A process cannot move from {before} to {after}")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What all stored records have: a PK, which is the document's `_id`, and a time."""

    pk: int
    created: float

    def evolve(self, **changes: Any) -> Self:
        """Return the same record with these fields changed."""
        return msgspec.structs.replace(self, **changes)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the record that a document holds, without fields that only indexes need."""
        known = {name: document[name] for name in cls.__struct_fields__ if name in document}
        return msgspec.convert(known | {"pk": document["_id"]}, cls)

    def to_document(self) -> dict[str, Any]:
        """Return the document to store, `_id` being the PK."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return {"_id": self.pk, **document}


class Target(Record, frozen=True, kw_only=True):
    """Something in the sky that is observed. `ra` and `dec` in degrees, ICRS."""

    identifier: str
    name: str
    ra: float | None = None
    dec: float | None = None
    extra_fields: dict[str, Any] = {}

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the target that a document holds; its extra fields are stored as JSON text."""
        # Users choose the keys, and databases give dots and dollars in keys a meaning.
        extra = msgspec.json.decode(document["extra_fields"])
        return super().from_document(document | {"extra_fields": extra})

    def to_document(self) -> dict[str, Any]:
        """Return the document to store, with the extra fields as JSON text."""
        document = super().to_document()
        return document | {"extra_fields": msgspec.json.encode(self.extra_fields).decode()}


class DataProduct(Record, frozen=True, kw_only=True):
    """A file: an uploaded one, or the output of a run if it has `process` and `attempt`.

    `fits` is None for a file that is not FITS, and while `examinations_left` is above 0: then the
    file could not be examined yet. Besides the facts it has a `problem` if the image cannot be
    used. `data_product_type` is its pipeline's word for what kind of file it is, empty without one.
    `token` is that of the journal entry by which it was stored.
    """

    name: str
    target: int
    size: int
    sha256: str
    content_type: str
    process: int | None = None
    attempt: int | None = None
    fits: dict[str, Any] | None = None
    examinations_left: int = 0
    data_product_type: str = ""
    token: str = ""

    @property
    def url(self) -> str:
        """Where to download the bytes, relative to the server."""
        return f"/dataproducts/{self.pk}/file/{quote(self.name, safe='')}"

    @property
    def facts(self) -> dict[str, Any] | None:
        """What its headers say, as the API shows it; None if it is not FITS."""
        if self.fits is None or "problem" not in self.fits:
            return self.fits
        return {name: value for name, value in self.fits.items() if name != "problem"}

    @property
    def key(self) -> str:
        """The file's key in storage. It ends in the name, as pipelines look at suffixes."""
        return f"{self.pk}/{self.name}"


class DataProductGroup(Record, frozen=True, kw_only=True):
    """Data products that belong together; `process` is set if they are a run's outputs.

    `token` is then that of the journal entry by which they were stored.
    """

    name: str
    products: list[int]
    process: int | None = None
    token: str = ""

    @property
    def url(self) -> str:
        """The group's page, relative to the server."""
        return group_url(self.pk)


def group_url(pk: int) -> str:
    """Return the page of a group, relative to the server."""
    return f"/dataproducts/data/group/{pk}/"


class Progress(msgspec.Struct, frozen=True):
    """How much of a run's work is done, in units of the pipeline's choice."""

    done: float
    total: float


class Resources(msgspec.Struct, frozen=True):
    """What a run used; `exit` is a sentence about how its OS process ended."""

    cpu_seconds: float | None
    peak_rss_bytes: int | None
    exit: str


class ProcessRecord(Record, frozen=True, kw_only=True):
    """One process: what was submitted, its state, and its results.

    `version` counts the writes, so that the newer of two copies can be told. `owner` is the server
    that runs it. `lost` counts the attempts that ended because the server was lost, `died` those
    that ended because the child died or raised, `interrupted` those that the end of the process
    that starts the runs ended. `series` is that of its measurements. `main` is the output to show
    first, if its pipeline names one: a data product's PK, or "lightcurve" for its measurements.
    `token` is that of the submit that made it, so that a submit can tell its record from another's.
    `log_bytes` is the size of the log's text in UTF-8, None where it has not been counted yet.
    `log_removed` is when the log was deleted while the process was kept. `submitted_by` is the name
    of the token by which it was submitted, None where that had none. `place` is where it stands in
    the queue, or stood last.
    """

    identifier: str
    process_type: str
    pipeline: str
    target: int
    products: list[int]
    flags: dict[str, bool]
    state: State = State.QUEUED
    status: str = "pending"
    terminal_timestamp: float | None = None
    failure_message: str | None = None
    progress: Progress | None = None
    started: float | None = None
    attempt: int = 0
    log_lines: int = 0
    log_bytes: int | None = None
    log_removed: float | None = None
    outputs: list[int] = []
    group: int | None = None
    series: int | None = None
    main: int | Literal["lightcurve"] | None = None
    resources: Resources | None = None
    owner: str | None = None
    cancel_requested: bool = False
    lost: int = 0
    died: int = 0
    interrupted: int = 0
    version: int = 1
    token: str = ""
    submitted_by: str | None = None
    place: int = 0

    @property
    def view_url(self) -> str | None:
        """The process's page, for pipelines only (as the specification has it)."""
        return f"/pipeline/{self.pk}" if self.process_type == "pipeline" else None

    @property
    def main_output(self) -> int | Literal["lightcurve"] | None:
        """The output to show first, unless it was deleted."""
        return self.main if self.main == "lightcurve" or self.main in self.outputs else None

    @property
    def group_name(self) -> str | None:
        """The name of the group of outputs, once there is one."""
        return None if self.group is None else f"{self.identifier}_outputs"

    @property
    def group_url(self) -> str | None:
        """The page of the group of outputs, once there is one."""
        return None if self.group is None else group_url(self.group)

    def is_run_of(self, owner: str, attempt: int) -> bool:
        """Return whether this server runs it, in this attempt."""
        return self.state is State.RUNNING and (self.owner, self.attempt) == (owner, attempt)

    def status_fields(self, prefix: str = "") -> dict[str, Any]:
        """Return the six keys of the specified status API, in its order.

        `prefix` is `http.prefix`, with which every URL in an answer begins.
        """
        view_url = self.view_url
        return {
            "identifier": self.identifier,
            "created": self.created,
            "status": self.status,
            "terminal_timestamp": self.terminal_timestamp,
            "failure_message": self.failure_message,
            "view_url": None if view_url is None else prefix + view_url,
        }


class Queued(NamedTuple):
    """What the order of the queue depends on: of the processes in it, the least `place` is next."""

    pk: int
    place: int
    target: int
    pipeline: str
    attempt: int

    @classmethod
    def of(cls, record: ProcessRecord) -> Self:
        """Return that of a record."""
        return cls(record.pk, record.place, record.target, record.pipeline, record.attempt)


class Flag(msgspec.Struct, frozen=True):
    """A boolean option of a pipeline."""

    default: bool
    long_name: str


class PipelineDescription(msgspec.Struct, frozen=True, kw_only=True):
    """What the server knows about a pipeline class, read in a child process.

    Empty `allowed_suffixes` allow any file. `error` is why it cannot run, or None.
    """

    name: str
    path: str
    short_name: str = ""
    process_type: str = "pipeline"
    description: str = ""
    allowed_suffixes: list[str] = []
    flags: dict[str, Flag] = {}
    extension: str = ""  #: of the identifier: a timelapse's `.webm`
    files: list[str] = []  #: which it is made of, or which are missing: described anew on a change
    error: str | None = None
