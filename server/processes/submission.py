"""Turns submits into stored processes: checked, named, and only once when repeated with a key."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
from cachetools import LRUCache

from server.core.errors import AlreadyTaken, Conflict, InvalidInput, QueueFull
from server.core.numbering import free_number
from server.core.records import PipelineDescription, ProcessRecord, Target
from server.processes.repository import ProcessRepository
from server.processes.validation import (
    MAX_INPUTS,
    check_flags,
    check_products,
    check_target,
    identifier,
    make_record,
)
from server.store import Store
from server.store.counters import Counters
from server.store.processes.idempotency_keys import Submission, Submissions

#: How many identifiers are tried; each time others have been faster in taking the one found free.
IDENTIFIER_TRIES = 1_000
#: For how many kinds and seconds the last number used is remembered.
SECONDS_REMEMBERED = 1_000
#: How long an idempotency key is valid.
KEY_SECONDS = 30 * 86_400
#: How the token of a submit with a key begins.
KEYED = "k"
LOST_KEY = "The process of this Idempotency-Key is not there; use another key"


class Submit(NamedTuple):
    """What a client asks for, not yet checked."""

    target: int | None
    pipeline: str
    products: list[int]
    flags: dict[str, bool]

    def canonical(self) -> bytes:
        """Return bytes that are equal for equal submits."""
        return msgspec.json.encode([*self[:3], sorted(self.flags.items())])


class SubmissionService:
    """Checks submits and puts new processes into the queue."""

    def __init__(
        self,
        store: Store,
        repository: ProcessRepository,
        pipelines: dict[str, PipelineDescription],
        queue_limit: int,
        check_room: Callable[[], None],
    ) -> None:
        self._store = store
        self._repository = repository
        self._pipelines = pipelines
        self._queue_limit = queue_limit
        self._check_room = check_room
        self._keys = IdempotencyKeys(store.submissions, store.counters)
        #: by kind and second: the last number used, so that many submits at once need not try each
        self._numbers: LRUCache[str, int] = LRUCache(SECONDS_REMEMBERED)

    async def submit(
        self, submit: Submit, key: str | None, submitted_by: str | None = None
    ) -> tuple[ProcessRecord, bool]:
        """Store a process. Return it, and whether it is new.

        `submitted_by` is the name of whose token it came with. A repeat returns the first record,
        and the name in it stays.
        """
        if key is None:
            # Both at the same time, as each takes a while: the PK of a refused submit stays unused.
            (record, target), pk = await asyncio.gather(self._checked(submit), self._next_pk())
            new = record.evolve(pk=pk, token=_token(), submitted_by=submitted_by)
            return await self._add(new, target), True
        body = submit.canonical()
        token = _token(key)
        known = await self._keys.find(key, body)
        if known is not None:
            if first := await self._own(known, token):
                return first, False
            await self._keys.check_not_gone(key)
        record, target = await self._checked(submit)
        pk = await self._keys.reserve(key, body)
        new = record.evolve(pk=pk, token=token, submitted_by=submitted_by)
        return await self._add_once(new, target)

    async def rerun(
        self, record: ProcessRecord, flags: dict[str, bool], submitted_by: str | None = None
    ) -> ProcessRecord:
        """Store a process like another one, with some flags changed."""
        pipeline = self._pipelines.get(record.pipeline)
        known = pipeline.flags if pipeline else {}
        kept = {name: value for name, value in record.flags.items() if name in known}
        submit = Submit(record.target, record.pipeline, record.products, kept | flags)
        made, target = await self._checked(submit)
        pk = await self._next_pk()
        return await self._add(
            made.evolve(pk=pk, token=_token(), submitted_by=submitted_by), target
        )

    async def _next_pk(self) -> int:
        return await self._store.counters.next("processes")

    async def _existing(self, pk: int) -> ProcessRecord | None:
        found = await self._store.processes.get_many([pk])
        return found[0] if found else None

    async def _own(self, pk: int, token: str) -> ProcessRecord | None:
        """Return the record of a submit with a key, if it is stored.

        :raises Conflict: another submit has this PK.
        """
        stored = await self._existing(pk)
        # A record from before there were tokens has none.
        if stored is not None and stored.token not in ("", token):
            raise Conflict(LOST_KEY)
        return stored

    async def _checked(self, submit: Submit) -> tuple[ProcessRecord, Target]:
        """Return the record of a submit, still without a PK, and its target."""
        target, products = await asyncio.gather(
            check_target(self._store, submit.target),
            self._store.products.get_many(submit.products[:MAX_INPUTS]),
        )
        pipeline = self._pipelines.get(submit.pipeline)
        if pipeline is None:
            known = ", ".join(sorted(self._pipelines))
            raise InvalidInput.of(
                "pipeline", f"Unknown pipeline '{submit.pipeline}' (known: {known})"
            )
        if pipeline.error:
            raise InvalidInput.of("pipeline", f"{pipeline.name} cannot run: {pipeline.error}")
        flags = check_flags(pipeline, submit.flags)
        check_products(pipeline, target.pk, submit.products, products)
        self._check_room()
        if len(self._repository.queue.queued) >= self._queue_limit:
            raise QueueFull(self._queue_limit)
        return make_record(0, target, pipeline, submit.products, flags), target

    async def _add_once(self, record: ProcessRecord, target: Target) -> tuple[ProcessRecord, bool]:
        """Add a record unless one with its PK exists already."""
        first = await self._own(record.pk, record.token)
        if first is not None:
            return first, False
        added = await self._add(record, target)
        return added, added.created == record.created

    async def _add(self, record: ProcessRecord, target: Target) -> ProcessRecord:
        """Store the record under the next free identifier of its kind and second."""
        pipeline = self._pipelines[record.pipeline]
        for _ in range(IDENTIFIER_TRIES):
            name = identifier(pipeline, target, record.created, self._number(record.identifier))
            named = record.evolve(identifier=name)
            try:
                return await self._repository.add(named)
            except AlreadyTaken:
                # Its identifier is taken, or its PK: by this very submit, or by another one.
                stored = await self._existing(record.pk)
                if stored is not None and stored.token == record.token:
                    return self._repository.accept(stored)
                if stored is None:
                    await self._skip_taken(record, target)
                elif record.token.startswith(KEYED):
                    raise Conflict(LOST_KEY) from None
                else:
                    record = record.evolve(pk=await self._next_pk())
        raise Conflict("There are too many processes of this kind in this second")

    async def _skip_taken(self, record: ProcessRecord, target: Target) -> None:
        """Go on with a free number; another server, or this one earlier, has used some."""
        pipeline = self._pipelines[record.pipeline]

        async def taken(numbers: Sequence[int]) -> set[int]:
            names = {identifier(pipeline, target, record.created, each): each for each in numbers}
            return {names[name] for name in await self._store.processes.taken(names)}

        last = await free_number(taken) - 1
        self._numbers[record.identifier] = max(self._numbers.get(record.identifier, 0), last)

    def _number(self, first_name: str) -> int:
        """Return the next number to try within a second, given the identifier without one."""
        self._numbers[first_name] = number = self._numbers.get(first_name, 0) + 1
        return number


class IdempotencyKeys:
    """The keys of submits in the last 30 days."""

    def __init__(self, submissions: Submissions, counters: Counters) -> None:
        self._submissions = submissions
        self._counters = counters

    async def find(self, key: str, body: bytes) -> int | None:
        """Return the PK that a key stands for. Raises Conflict if it was used for another body."""
        known = await self._submissions.get(key)
        if known is None or known.created < time.time() - KEY_SECONDS:
            return None
        return _same(known, body)

    async def check_not_gone(self, key: str) -> None:
        """Raise Conflict when the process of a key was made once and deleted."""
        known = await self._submissions.get(key)
        if known is not None and known.gone:
            raise Conflict("The process of this Idempotency-Key was deleted")

    async def reserve(self, key: str, body: bytes) -> int:
        """Return the PK for a new submit with this key, or for the same one made concurrently."""
        await self._submissions.delete_older(time.time() - KEY_SECONDS)
        pk = await self._counters.next("processes")
        try:
            await self._submissions.insert(
                Submission(key=key, digest=_digest(body), process=pk, created=time.time())
            )
        except AlreadyTaken:
            known = await self._submissions.get(key)
            return pk if known is None else _same(known, body)
        return pk


def _token(key: str | None = None) -> str:
    """Return the token of a submit: with a key always the same one, else a new one."""
    if key is None:
        return f"t{secrets.token_hex(8)}"
    return f"{KEYED}{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _same(known: Submission, body: bytes) -> int:
    if known.digest != _digest(body):
        raise Conflict("This Idempotency-Key was used for another submit")
    return known.process


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
