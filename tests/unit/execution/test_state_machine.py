"""Several servers change the same records in any order: only legal moves, only by the owner.

Hypothesis chooses the next step and the server that takes it; a small model predicts the result.
The records are real ones in the session's database. Servers keep the records that they were given,
so that they often write to runs that were taken over from them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from server.core import concurrency
from server.core.errors import AlreadyTaken, CancelRequested, LeaseLost, NotFound
from server.core.hub import Hub
from server.core.records import MOVES, STATUS_OF_STATE, ProcessRecord, State
from server.processes.repository import ProcessRepository
from server.store import Store
from server.store.processes.index import ended_key
from tests.fakes.some_records import a_record
from tests.reliability.tools import faults
from tests.reliability.tools.faults import UNHEARD, Orders

T = TypeVar("T")
Document = dict[str, Any]

SERVERS = ("s1", "s2")
#: With more, two steps would rarely concern the same process.
PROCESSES = 3
LAST = [State.SUCCEEDED, State.FAILED, State.CANCELLED]
#: What a record keeps once it has ended.
FINAL = ("state", "status", "terminal_timestamp", "failure_message", "attempt", "log_lines")

some_server = st.sampled_from(SERVERS)


@dataclass
class Model:
    """The state that a process must have."""

    state: State = State.QUEUED
    attempt: int = 0
    owner: str | None = None
    cancel_requested: bool = False


@dataclass(frozen=True)
class Held:
    """What a server believes of a run, whether still true or not."""

    server: str
    record: ProcessRecord


class Servers(RuleBasedStateMachine):
    """The servers, the store that they share, and the model."""

    held = Bundle("held")

    runner: asyncio.Runner
    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.repositories = {
            name: ProcessRepository(self.store.processes, Hub(), name) for name in SERVERS
        }
        self.models: dict[int, Model] = {}
        self.before: dict[int, Document] = {}
        self.pk = 0

    def run(self, work: Coroutine[Any, Any, T], unheard: bool = False) -> T:
        """Do the work; `unheard` loses the answer to its first write of a record."""
        orders = Orders(kinds=(UNHEARD,), only="change processes", at=(1,) if unheard else ())
        remove = faults.install(faults.Faults(orders))
        try:
            return self.runner.run(work)
        finally:
            remove()

    def is_current(self, held: Held) -> bool:
        """Return whether the run is still this server's."""
        model = self.models.get(held.record.pk)
        known = (State.RUNNING, held.record.attempt, held.server)
        return model is not None and (model.state, model.attempt, model.owner) == known

    @precondition(lambda self: len(self.models) < PROCESSES)
    @rule(server=some_server)
    def submit(self, server: str) -> None:
        self.pk += 1
        # What the others have claimed is heard of within a moment; the next turn depends on it.
        self.run(self.repositories[server].load())
        self.run(self.repositories[server].add(a_record(self.pk)))
        self.models[self.pk] = Model()

    def queued(self) -> list[int]:
        """Return the PKs in the order in which they must be claimed."""
        return sorted(pk for pk, model in self.models.items() if model.state is State.QUEUED)

    @precondition(lambda self: self.queued())
    @rule(target=held, server=some_server)
    def claim(self, server: str) -> Any:
        record = self.run(self.repositories[server].claim())
        assert record is not None
        assert record.pk == self.queued()[0]
        model = self.models[record.pk]
        model.state, model.owner, model.attempt = State.RUNNING, server, model.attempt + 1
        assert record.attempt == model.attempt
        return Held(server, record)

    @rule(held=held, status=st.sampled_from(["Measuring", "Waiting"]))
    def write(self, held: Held, status: str) -> None:
        work = self.repositories[held.server].write(held.record, status=status)
        if self.is_current(held):
            assert self.run(work).status == status
        else:
            self.is_refused(work)

    @rule(target=held, held=held, server=some_server)
    def take_over(self, held: Held, server: str) -> Any:
        work = self.repositories[server].take_over(held.record)
        if not self.is_current(held):
            self.is_refused(work)
            return multiple()
        record = self.run(work)
        self.models[record.pk].owner = server
        return Held(server, record)

    @rule(held=held, state=st.sampled_from(LAST), unheard=st.booleans())
    def end(self, held: Held, state: State, unheard: bool) -> None:
        message = None if state is State.SUCCEEDED else "It was not to be"
        work = self.repositories[held.server].end(held.record, state, message)
        if not self.is_current(held):
            return self.is_refused(work)
        if state is State.SUCCEEDED and self.models[held.record.pk].cancel_requested:
            with pytest.raises(CancelRequested):
                self.run(work)
            return None
        assert self.run(work, unheard).state is state
        self.models[held.record.pk].state = state
        self.models[held.record.pk].owner = None
        return None

    @rule(held=held, unheard=st.booleans())
    def requeue(self, held: Held, unheard: bool) -> None:
        model = self.models.get(held.record.pk)
        work = self.repositories[held.server].requeue(held.record)
        if self.is_current(held):
            assert self.run(work, unheard).state is State.QUEUED
            assert model is not None
            model.state, model.owner = State.QUEUED, None
        elif model and (model.state, model.attempt) == (State.QUEUED, held.record.attempt):
            # Done already, by any server.
            assert self.run(work).state is State.QUEUED
        else:
            self.is_refused(work)

    @precondition(lambda self: self.models)
    @rule(server=some_server, data=st.data())
    def ask_to_cancel(self, server: str, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.models)))
        asked = self.run(self.repositories[server].request_cancel(pk))
        assert (asked is not None) is (self.models[pk].state is State.RUNNING)
        self.models[pk].cancel_requested |= asked is not None

    @precondition(lambda self: self.models)
    @rule(server=some_server, data=st.data())
    def cancel_what_waits(self, server: str, data: st.DataObject) -> None:
        pk = data.draw(st.sampled_from(sorted(self.models)))
        record = self.run(self.store.processes.get(pk))
        cancelled = self.run(self.repositories[server].cancel_queued(record, "Out"))
        assert (cancelled is not None) is (self.models[pk].state is State.QUEUED)
        if cancelled is not None:
            self.models[pk].state = State.CANCELLED

    @precondition(lambda self: any(model.state in LAST for model in self.models.values()))
    @rule(server=some_server, data=st.data())
    def delete(self, server: str, data: st.DataObject) -> None:
        ended = [pk for pk, model in self.models.items() if model.state in LAST]
        pk = data.draw(st.sampled_from(ended))
        self.run(self.repositories[server].delete(self.run(self.store.processes.get(pk))))
        del self.models[pk], self.before[pk]
        with pytest.raises(NotFound):
            self.run(self.store.processes.get(pk))

    @precondition(lambda self: self.models)
    @rule(server=some_server, data=st.data())
    def restart(self, server: str, data: st.DataObject) -> None:
        repository = self.repositories[server] = ProcessRepository(
            self.store.processes, Hub(), server
        )
        self.run(repository.load())
        running = {pk for pk, model in self.models.items() if model.state is State.RUNNING}
        assert repository.queue.queued == self.queued()
        assert set(repository.queue.running) == running
        with pytest.raises(AlreadyTaken):
            self.run(repository.add(a_record(data.draw(st.sampled_from(sorted(self.models))))))
        if not self.queued():
            assert self.run(repository.claim()) is None

    def is_refused(self, work: Coroutine[Any, Any, object]) -> None:
        """Expect that a server that has lost a run writes nothing."""
        with pytest.raises(LeaseLost):
            self.run(work)

    @invariant()
    def the_store_agrees_with_the_model(self) -> None:
        documents = self.stored()
        assert documents.keys() == self.models.keys()
        for pk, model in self.models.items():
            found = documents[pk]
            names = ("state", "attempt", "owner", "cancel_requested")
            assert {name: found[name] for name in names} == vars(model)
            assert found.get("queued") == (pk if model.state is State.QUEUED else None)
            assert found.get("turn") == (found["place"] if model.state is State.QUEUED else None)
            assert found.get("ended") == (
                ended_key(model.state, pk) if model.state in LAST else None
            )
            assert (found["terminal_timestamp"] is not None) is (model.state in LAST)
            if model.state is not State.RUNNING:
                assert found["status"] == STATUS_OF_STATE[model.state]
            self.follows(self.before.get(pk, found), found)
        self.before = documents
        for repository in self.repositories.values():
            self.remembers_only_what_was_stored(repository)

    def follows(self, before: Document, after: Document) -> None:
        """Expect one legal move or none in one step, and that an end is never overwritten."""
        if before["state"] != after["state"]:
            assert State(after["state"]) in MOVES[State(before["state"])]
        assert before["attempt"] <= after["attempt"] <= before["attempt"] + 1
        assert before["version"] <= after["version"]
        if State(before["state"]) in LAST:
            assert [before[name] for name in FINAL] == [after[name] for name in FINAL]

    def remembers_only_what_was_stored(self, repository: ProcessRepository) -> None:
        """Expect that what a server has in memory was stored like this, now or earlier."""
        for pk in self.models.keys() & repository._records.keys():
            known, stored = repository._records[pk], self.before[pk]
            assert known.version <= stored["version"]
            if known.version == stored["version"]:
                assert known == ProcessRecord.from_document(stored)

    def stored(self) -> dict[int, Document]:
        """Return all documents by PK."""
        collection = self.store.processes._collection
        return {found["_id"]: found for found in self.run(collection.find({"pk": {"$gt": 0}}))}

    def teardown(self) -> None:
        for pk in self.models:
            self.run(self.store.processes.delete(pk))


# Finding the shortest way to a failure may take a while.
@pytest.mark.timeout(300)
def test_only_legal_moves_are_made_and_only_by_the_owner(
    runner: asyncio.Runner, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(concurrency, "RETRY_SECONDS", (0.0,))
    monkeypatch.setattr(Servers, "runner", runner, raising=False)
    monkeypatch.setattr(Servers, "store", store, raising=False)
    steps = settings(max_examples=20, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(Servers, settings=steps)
