"""The receipt of a process: what exactly ran on what, for whoever wants to believe the result.

Inputs and provenance are noted while the run goes on; flags and times are the record's. What is
not known is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import msgspec

from server.core.records import DataProduct, ProcessRecord, State

#: What a run may tell of itself. A whole environment takes a hundredth of it.
FACTS_LIMIT_CHARACTERS = 1_000_000

NOT_YET = "It has not started yet, so nothing has been read or imported."
NEVER = "It never started, so nothing was read or imported."
NOT_TOLD_YET = "The run has not told yet what it is made of."
NOT_TOLD = "The run ended before it told what it is made of."
NOT_IMPORTED = "The pipeline could not be imported, so there is no source to tell of."
NO_SOURCE = "The pipeline's module has no source file that could be read."


class Input(msgspec.Struct, frozen=True):
    """A file that a run was given; `pk` is that of its data product, which may be gone by now."""

    pk: int
    name: str
    size: int
    sha256: str


class Environment(msgspec.Struct, frozen=True):
    """What a run found installed: `packages` from name to version."""

    python: str
    platform: str
    packages: dict[str, str]


class Source(msgspec.Struct, frozen=True, rename={"path": "class"}):
    """The pipeline's class, and the file of its module as it was imported."""

    path: str
    file: str | None
    sha256: str | None


class Noted(msgspec.Struct, frozen=True):
    """What is noted of an attempt while it runs."""

    inputs: list[Input]
    environment: Environment
    source: Source | None

    @classmethod
    def of(cls, inputs: Sequence[DataProduct], told: dict[str, Any]) -> Self | None:
        """What an attempt was given and tells of itself; None if that makes no sense."""
        given = [Input(each.pk, each.name, each.size, each.sha256) for each in inputs]
        try:
            environment = msgspec.convert(told, Environment)
            source = msgspec.convert(told.get("source"), Source | None)
        except msgspec.ValidationError:  # a pipeline may write to the pipe as well
            return None
        noted = cls(given, environment, source)
        small = len(msgspec.json.encode((environment, source))) <= FACTS_LIMIT_CHARACTERS
        return noted if small else None

    def to_text(self) -> str:
        """As it is stored: package names are no keys for a database."""
        return msgspec.json.encode(self).decode()


class Timings(msgspec.Struct, frozen=True, kw_only=True):
    """When what happened, in Unix seconds, and how long it took; None for what has not."""

    created: float
    started: float | None
    terminal_timestamp: float | None
    waited_seconds: float | None
    ran_seconds: float | None
    cpu_seconds: float | None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The receipt as the contract shows it. `unknown` says in words what is missing and why."""

    process: int
    identifier: str
    pipeline: str
    attempt: int
    inputs: list[Input] | None
    flags: dict[str, bool]
    environment: Environment | None
    source: Source | None
    timings: Timings
    unknown: str | None


def receipt_of(record: ProcessRecord, noted: str | None) -> Receipt:
    """The receipt of a process, from its record and what was noted of its last attempt."""
    facts = None if noted is None else msgspec.json.decode(noted, type=Noted)
    return Receipt(
        process=record.pk,
        identifier=record.identifier,
        pipeline=record.pipeline,
        attempt=record.attempt,
        inputs=None if facts is None else facts.inputs,
        flags=record.flags,
        environment=None if facts is None else facts.environment,
        source=None if facts is None else facts.source,
        timings=_timings(record),
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


def _unknown(record: ProcessRecord, facts: Noted | None) -> str | None:
    if facts is not None:
        if facts.source is None:
            return NOT_IMPORTED
        return None if facts.source.sha256 else NO_SOURCE
    if not record.attempt:
        return NEVER if record.state.ended else NOT_YET
    return NOT_TOLD_YET if record.state is State.RUNNING else NOT_TOLD
