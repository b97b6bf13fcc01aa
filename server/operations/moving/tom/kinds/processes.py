"""The processes of an old site with their logs; each has ended by now, whatever the site says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from server.core.numbering import free_number
from server.core.records import ProcessRecord, State
from server.logs.complete import chunks_of
from server.logs.entries import Line
from server.operations.moving.tom.database import Row
from server.operations.moving.tom.kinds.products import ATTEMPT, is_output
from server.operations.moving.tom.site import Maker
from server.operations.moving.tom.values import excerpt, flags_of, moment, text
from server.operations.moving.tom.work import Work, missing
from server.store.processes.log_chunks import LogChunk

#: The states of processes that have ended there; anything else was left behind by a crash.
_ENDED = {"created": State.SUCCEEDED, "failed": State.FAILED}
#: How the message begins of a process that had not ended.
STUCK = "It had not ended when it was moved here from the old site, where its status was"
_TIMELAPSE = "TimelapsePipeline"
#: The class of all processes that were stored by the name of the class that all pipelines have.
_BASE = "PipelineProcess"
_SHORT_NAME = re.compile(r"(.+)_\d+_\d+")
#: The longest piece of a line, in bytes of UTF-8, and how much of logs is stored at once.
_LINE_BYTES, _STORED_CHARACTERS = 65_536, 2**21


async def bring_processes(work: Work) -> None:
    """Bring all processes that are not here; those that had not ended then may have by now."""
    total, done = work.site.count("processes"), 0
    for rows in work.site.processes():
        new = await work.unknown("processes", rows)
        known = [row for row in rows if row not in new]
        if known and work.before:
            await _update(work, known)
        if new:
            await _bring(work, new)
        done += len(rows)
        work.progress("Processes", done, total)


async def _bring(work: Work, rows: Sequence[Row]) -> None:
    targets = await work.targets_here(row["target_id"] for row in rows)
    kept = [row for row in rows if work.pks.new("target", row["target_id"]) in targets]
    for row in rows:
        if row not in kept:
            work.report.lost.add(
                f"Process {row['id']} ({excerpt(row['identifier'], 100)}) has no target"
            )
    await _store(work, kept)
    await work.note("processes", [row["id"] for row in kept])


async def _store(work: Work, rows: Sequence[Row]) -> None:
    store = work.here.store
    products = {pk for row in rows for pk in work.known_pks("dataproduct", _outputs(row))}
    there = {each.pk for each in await store.products.get_many(products)}
    groups = work.known_pks("group", (row["group_id"] for row in rows))
    groups_there = {each.pk for each in await store.groups.get_many(groups)}
    wanted = [_record(work, row, there, groups_there) for row in rows]
    stored = await store.processes.get_many([record.pk for record in wanted])
    lacking = await _identified(work, missing("processes", wanted, stored))
    olds = {work.pk("processes", row["id"]): row["id"] for row in rows}
    await store.processes.insert_ended(await _with_logs(work, lacking, olds))


async def _with_logs(
    work: Work, records: Sequence[ProcessRecord], olds: Mapping[int, int]
) -> list[ProcessRecord]:
    """Store logs, some at a time, and return the records with their sizes."""
    logs = work.here.store.logs
    waiting: list[LogChunk] = []
    sized = []
    for record in records:
        if work.before and await logs.last_line(record.pk):  # of an import that was killed
            await logs.delete(record.pk)
        lines = _lines(work.site.log(olds[record.pk]), record.created)
        count = size = 0
        for chunk in chunks_of(record.pk, ATTEMPT, lines):
            count, size = chunk.last, chunk.text_bytes or 0
            waiting.append(chunk)
            if sum(len(each.entries) for each in waiting) >= _STORED_CHARACTERS:
                await logs.insert_many(waiting)
                waiting = []
        sized.append(record.evolve(log_lines=count, log_bytes=size))
    await logs.insert_many(waiting)
    return sized


def _lines(log: str, time: float) -> Iterator[Line]:
    """Iterate over the lines of a log; when each was written was not kept."""
    start = 0
    while start < len(log):
        end = log.find("\n", start)
        stop = len(log) if end < 0 else end
        line = log[start:stop]
        start = stop + 1
        if len(line) * 4 <= _LINE_BYTES or len(line.encode()) <= _LINE_BYTES:
            pieces = [line]
        else:
            # A character has four bytes at most.
            size = _LINE_BYTES // 4
            pieces = [line[at : at + size] for at in range(0, len(line), size)]
        for piece in pieces[:-1]:
            yield Line(time, "info", piece, unended=True)
        yield Line(time, "info", pieces[-1], unended=end < 0)


async def _identified(work: Work, records: Sequence[ProcessRecord]) -> list[ProcessRecord]:
    """Return records with identifiers that no other process has, as a second site's may be."""
    store = work.here.store.processes
    taken = await store.taken({record.identifier for record in records})
    named = []
    for record in records:
        identifier = record.identifier
        if identifier in taken:
            identifier = await _free(work, identifier, taken)
            work.report.notes.add(f"Process {record.identifier} is named {identifier} here")
        taken.add(identifier)
        named.append(record.evolve(identifier=identifier))
    return named


async def _free(work: Work, identifier: str, taken: set[str]) -> str:
    async def numbers_taken(numbers: Sequence[int]) -> set[int]:
        made = {f"{identifier}-{number}": number for number in numbers}
        found = await work.here.store.processes.taken(made)
        return {made[each] for each in made if each in found or each in taken}

    return f"{identifier}-{await free_number(numbers_taken)}"


def _record(work: Work, row: Row, products: set[int], groups: set[int]) -> ProcessRecord:
    pk, created = work.pk("processes", row["id"]), work.created(row)
    timelapse = row["process_type"] == _TIMELAPSE
    state = _ENDED.get(text(row["status"]), State.FAILED)
    group = work.pks.new("group", row["group_id"])
    return ProcessRecord(
        pk=pk,
        created=created,
        identifier=text(row["identifier"]) or f"process-{pk}",
        process_type="timelapse" if timelapse else "pipeline",
        pipeline=_pipeline(work.pipelines, row),
        target=work.pk("target", row["target_id"]),
        products=work.known_pks("dataproduct", row["inputs"]),
        flags=_flags(work, row),
        state=state,
        status="created" if state is State.SUCCEEDED else "failed",
        terminal_timestamp=max(created, moment(row["terminal_timestamp"]) or created),
        failure_message=_failure(work, row, state),
        started=created,
        attempt=ATTEMPT,
        outputs=[pk for pk in work.known_pks("dataproduct", _outputs(row)) if pk in products],
        group=group if group in groups else None,
    )


def _failure(work: Work, row: Row, state: State) -> str | None:
    status = text(row["status"])
    if status not in _ENDED:
        work.report.notes.add(
            f"Process {row['id']} ({excerpt(row['identifier'], 100)}) had not ended: it has failed "
            "here, and says so"
        )
        return f"{STUCK} {excerpt(status) or 'empty'}"
    return (text(row["failure_message"]) or None) if state is State.FAILED else None


def _flags(work: Work, row: Row) -> dict[str, bool]:
    found = flags_of(row["flags_json"])
    if found is None:
        work.report.lost.add(
            f"Process {row['id']}: its flags cannot be read: {excerpt(row['flags_json'])}"
        )
    return found or {}


def _outputs(row: Row) -> list[int]:
    """Return the old PKs of the outputs: what people have put into their group is none."""
    maker = Maker(row["id"], text(row["identifier"]))
    return [pk for pk, *names in row["outputs"] if is_output(maker, *names)]


def _pipeline(names: Mapping[str, str], row: Row) -> str:
    """Return the name of the pipeline here, or what it was called there."""
    kind = text(row["process_type"])
    short = _SHORT_NAME.fullmatch(text(row["identifier"]))
    given = short[1] if short else text(row["identifier"])
    if kind in names:
        return names[kind]
    return given if kind in ("", _BASE) or given in names.values() else kind


async def _update(work: Work, rows: Sequence[Row]) -> None:
    """Bring what has become of processes since they were brought: late outputs, or their end."""
    store = work.here.store.processes
    pks = {work.pk("processes", row["id"]): row for row in rows}
    again: list[Row] = []
    for record in await store.get_many(pks):
        row = pks[record.pk]
        if text(row["status"]) in _ENDED and (record.failure_message or "").startswith(STUCK):
            await store.delete(record.pk)
            await work.here.store.logs.delete(record.pk)
            again.append(row)
        elif work.brought:
            outputs = work.known_pks("dataproduct", _outputs(row))
            if late := [pk for pk in outputs if pk in work.brought]:
                await store.add_outputs(record.pk, late)
    if again:
        await _store(work, again)
        work.report.written += len(again)
