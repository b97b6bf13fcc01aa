"""The receipt of a process: what exactly ran on what, so that its result can be trusted.

Inputs and provenance are stored while the run goes on; flags and times are the record's. What is
not known is stated.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from server.core.records import DataProduct, ProcessRecord, State

#: The longest environment and source that a run may report. A usual one has a hundredth of it.
FACTS_LIMIT_CHARACTERS = 1_000_000

NOT_YET = "It has not started yet, so nothing has been read or imported."
NEVER = "It never started, so nothing was read or imported."
NOT_REPORTED_YET = "The run has not reported its inputs and environment yet."
NOT_REPORTED = "The run ended before it reported its inputs and environment."
NOT_IMPORTED = "The pipeline could not be imported, so its source is not known."
NO_SOURCE = "The pipeline's module has no source file that could be read."


class Input(msgspec.Struct, frozen=True):
    """A file that a run was given; `pk` is its data product's, which may be deleted by now.

    The size was compared with that of the file, and if `verified` the checksum too.
    """

    pk: int
    name: str
    size: int
    sha256: str
    verified: bool = False


class Environment(msgspec.Struct, frozen=True):
    """What a run found installed: `packages` maps names to versions."""

    python: str
    platform: str
    packages: dict[str, str]


class Source(msgspec.Struct, frozen=True, rename={"path": "class"}):
    """The pipeline's class, and its module's file as it was imported."""

    path: str
    file: str | None
    sha256: str | None


class Worker(msgspec.Struct, frozen=True):
    """The machine of a Dask cluster that a run had, and what was installed there."""

    host: str
    python: str
    heliograph: str


class Isolation(msgspec.Struct, frozen=True, kw_only=True):
    """What a run was kept from.

    `environment` are the variables that it got, None for all of the server's but those `withheld`.
    `writable` are the folders of the configuration. `landlock` is the version that confined it, or
    else `reason` says why none did.
    """

    environment: list[str] | None
    withheld: list[str]
    writable: list[str] | None
    landlock: int | None
    reason: str | None


class RunFacts(msgspec.Struct, frozen=True):
    """What is stored of an attempt while it runs."""

    inputs: list[Input]
    environment: Environment
    source: Source | None
    isolation: Isolation | None = None
    worker: Worker | None = None

    @classmethod
    def of(
        cls,
        inputs: Sequence[DataProduct],
        provenance: dict[str, Any],
        isolation: Isolation | None = None,
        machine: Mapping[str, Any] | None = None,
    ) -> Self | None:
        """Join an attempt's inputs and what it reports; None when that is malformed or too long.

        `machine` is what the machine reports that it runs on, empty for the server's own.
        """
        given = [Input(each.pk, each.name, each.size, each.sha256) for each in inputs]
        try:
            environment = msgspec.convert(provenance, Environment)
            source = msgspec.convert(provenance.get("source"), Source | None)
            worker = msgspec.convert(machine, Worker) if machine else None
        except msgspec.ValidationError:  # a pipeline may write to the pipe as well
            return None
        small = len(msgspec.json.encode((environment, source))) <= FACTS_LIMIT_CHARACTERS
        return cls(given, environment, source, isolation, worker) if small else None

    def with_verified(self, products: Collection[int]) -> Self:
        """Return the facts with the checksums of these products' files compared."""
        inputs = [
            msgspec.structs.replace(each, verified=each.pk in products) for each in self.inputs
        ]
        return msgspec.structs.replace(self, inputs=inputs)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read what `to_text` made."""
        return msgspec.json.decode(text, type=cls)

    def to_text(self) -> str:
        """Return the text to be stored: a database takes no package names as keys."""
        return msgspec.json.encode(self).decode()


def differs(source: Source, files: Sequence[str]) -> bool:
    """Return whether there is such a file among these, and none has the same content."""
    here = [path for path in map(Path, files) if path.name == source.file and path.is_file()]
    if source.sha256 is None or not here:
        return False
    return all(hashlib.sha256(path.read_bytes()).hexdigest() != source.sha256 for path in here)


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """When what happened, in Unix seconds, and how long it took; None if it has not happened."""

    created: float
    started: float | None
    terminal_timestamp: float | None
    waited_seconds: float | None
    ran_seconds: float | None
    cpu_seconds: float | None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt as the API shows it. `unknown` says what is missing and why.

    `outputs` are the PKs of its data products, `main` is the one to show first, or "lightcurve".
    `log_stored_bytes` is what the log takes on disk, but for what a database adds to its documents.
    `log_removed` is when the log was deleted although the process was kept, in Unix seconds.
    """

    process: int
    identifier: str
    pipeline: str
    attempt: int
    inputs: list[Input] | None
    flags: dict[str, bool]
    environment: Environment | None
    worker: Worker | None
    source: Source | None
    isolation: Isolation | None
    timings: Timings
    outputs: list[int]
    main: int | Literal["lightcurve"] | None
    submitted_by: str | None
    log_stored_bytes: int
    log_removed: float | None
    unknown: str | None


def receipt_of(record: ProcessRecord, facts_text: str | None, log_stored_bytes: int = 0) -> Receipt:
    """Make the receipt of a process, from its record and the facts stored of its last attempt."""
    facts = None if facts_text is None else RunFacts.from_text(facts_text)
    return Receipt(
        process=record.pk,
        identifier=record.identifier,
        pipeline=record.pipeline,
        attempt=record.attempt,
        inputs=None if facts is None else facts.inputs,
        flags=record.flags,
        environment=None if facts is None else facts.environment,
        worker=None if facts is None else facts.worker,
        source=None if facts is None else facts.source,
        isolation=None if facts is None else facts.isolation,
        timings=_timings(record),
        outputs=record.outputs,
        main=record.main_output,
        submitted_by=record.submitted_by,
        log_stored_bytes=log_stored_bytes,
        log_removed=record.log_removed,
        unknown=_unknown(record, facts),
    )


def _timings(record: ProcessRecord) -> Timings:
    started, ended = record.started, record.terminal_timestamp
    return Timings(
        created=record.created,
        started=started,
        terminal_timestamp=ended,
        waited_seconds=None if started is None else max(0.0, started - record.created),
        ran_seconds=None if started is None or ended is None else max(0.0, ended - started),
        cpu_seconds=None if record.resources is None else record.resources.cpu_seconds,
    )


def _unknown(record: ProcessRecord, facts: RunFacts | None) -> str | None:
    if facts is not None:
        if facts.source is None:
            return NOT_IMPORTED
        return None if facts.source.sha256 else NO_SOURCE
    if not record.attempt:
        return NEVER if record.state.ended else NOT_YET
    return NOT_REPORTED_YET if record.state is State.RUNNING else NOT_REPORTED
