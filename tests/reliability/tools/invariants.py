"""What must hold of an observatory, whatever happened to its servers.

`violations` looks at what is stored once nothing runs any more, and compares it with what clients
were told. It returns sentences, none when all is well.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.reliability.tools.snapshot import Document, Snapshot
from tests.reliability.tools.telling_pipelines import NOT_ALONE

STATUSES = {"succeeded": "created", "failed": "failed", "cancelled": "cancelled"}
#: How many files and how many measurements each pipeline makes.
OUTPUTS = {"Makes": 2, "LocalMakes": 2, "Bulks": 1, "Lasts": 1}
OUTPUTS |= {"Spills": 30, "Timelapse": 1}
MEASUREMENTS = {"Makes": 3, "LocalMakes": 3}
#: Pipelines that do not number their lines.
SILENT = {"Timelapse"}
#: Pipelines that end only when cancelled; others may end before that.
ENDLESS = {"Waits", "LocalWaits"}
#: What the forks of a run say, and the run of them.
FORKED = re.compile(r"fork (\d+) (?:was killed|says (\d+) of (\d+))")
TOLD = re.compile(r"line (\d+) of (\d+)")


@dataclass
class Promises:
    """What clients were promised by 2xx responses."""

    #: the key with which each process was submitted
    accepted: dict[int, str] = field(default_factory=dict)
    #: the record of each process when it was first seen ended
    ended: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: the entries of each process by line number
    lines: dict[int, dict[int, list[Any]]] = field(default_factory=dict)
    #: the processes whose cancellation was requested
    cancelled: set[int] = field(default_factory=set)
    uploaded: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    #: for each product, the process whose output it was, if any
    deleted_products: dict[int, int | None] = field(default_factory=dict)


def violations(found: Snapshot, promises: Promises) -> list[str]:
    """Return what is wrong with a state in which nothing should be in progress."""
    checks = (_processes, _files, _measurements, _leftovers, log_violations, _keys)
    against = (_publications, _unexamined, _lost, _ended_otherwise, _lines_changed)
    return [
        *(sentence for check in checks for sentence in check(found)),
        *(sentence for check in against for sentence in check(found, promises)),
    ]


def _processes(found: Snapshot) -> Iterator[str]:
    for pk, record in found.processes.items():
        state, ended = record["state"], record["terminal_timestamp"]
        if state not in STATUSES:
            yield f"process {pk} has not ended: {state}, attempt {record['attempt']}"
            continue
        if record["status"] != STATUSES[state]:
            yield f"process {pk} is {state}, and its status {record['status']!r}"
        if ended is None or ended < record["created"]:
            yield f"process {pk} is {state} since {ended}, created {record['created']}"
        if record["owner"] is not None or "queued" in record:
            yield f"process {pk} has ended and is still owned or queued"
        if record.get("ended") != f"{state}\x1f{pk:012d}":
            yield f"process {pk} is {state}, and its index says {record.get('ended')!r}"
        if (record["failure_message"] is None) != (state == "succeeded"):
            yield f"process {pk} is {state}: {record['failure_message']!r}"


def _publications(found: Snapshot, promises: Promises) -> Iterator[str]:
    deleted = Counter(promises.deleted_products.values())
    for pk, record in found.processes.items():
        expected = OUTPUTS.get(record["pipeline"], 0) if record["state"] == "succeeded" else 0
        if len(record["outputs"]) + deleted[pk] != expected:
            yield f"process {pk} is {record['state']} with outputs {record['outputs']}"
        if (record["group"] is not None) != bool(expected):
            yield f"process {pk} is {record['state']} with group {record['group']}"
        yield from _published(found, pk, record)
    for pk, product in found.products.items():
        process = product["process"]
        if process is not None and pk not in _record(found, process)["outputs"]:
            yield f"product {pk} of process {process} is named by no record"
    for pk in found.memberships - found.products.keys():
        yield f"product {pk} is gone and counts as a member of groups"
    for pk, group in found.groups.items():
        if group["process"] is not None and _record(found, group["process"])["group"] != pk:
            yield f"group {pk} of process {group['process']} is named by no record"


def _published(found: Snapshot, pk: int, record: Document) -> Iterator[str]:
    for output in record["outputs"]:
        product = found.products.get(output, {})
        if (product.get("process"), product.get("attempt")) != (pk, record["attempt"]):
            yield f"process {pk} names product {output}, which is not its own: {product}"
    if record["group"] is not None:
        group = found.groups.get(record["group"], {})
        if (group.get("process"), group.get("products")) != (pk, record["outputs"]):
            yield f"process {pk} names group {record['group']}, which is not its own: {group}"


def _record(found: Snapshot, pk: int) -> Document:
    return found.processes.get(pk, {"outputs": [], "group": None})


def _files(found: Snapshot) -> Iterator[str]:
    named = {f"{pk}/{product['name']}": product for pk, product in found.products.items()}
    sealed = {segment["file"]: segment for segment in found.segments}
    for key in named.keys() - found.files.keys():
        yield f"file {key} of a product is missing"
    for key in sealed.keys() - found.files.keys():
        yield f"file {key} of a log is missing"
    for key in found.files.keys() - named.keys() - sealed.keys():
        yield f"file {key} belongs to no product and no log"
    for key, record in (named | sealed).items():
        if found.files.get(key, (record["size"], record["sha256"])) != (
            record["size"],
            record["sha256"],
        ):
            yield f"file {key} is not what its {'log' if key in sealed else 'product'} says"


def _unexamined(found: Snapshot, promises: Promises) -> Iterator[str]:
    """Yield the uploads, all of them FITS files, of which the headers have not been read."""
    for pk in sorted(promises.uploaded & found.products.keys()):
        product = found.products[pk]
        if not product["fits"] or product.get("examinations_left"):
            left = product.get("examinations_left")
            yield f"product {pk} was uploaded and says {product['fits']}, tries left: {left}"


def _measurements(found: Snapshot) -> Iterator[str]:
    for pk, record in found.processes.items():
        ended_well = record["state"] == "succeeded"
        expected = MEASUREMENTS.get(record["pipeline"], 0) if ended_well else 0
        named = {} if record["series"] is None else {record["series"]: expected}
        if found.series.get(pk, {}) != named or bool(named) != bool(expected):
            yield f"process {pk} names {named} measurements, there are {found.series.get(pk)}"
    kept = found.series.keys() | found.receipts | found.films | found.shared
    for pk in kept - found.processes.keys():
        yield f"process {pk} is gone and has measurements, receipts, frames or links"
    for product, surplus in found.imports.items():
        if product not in found.products:
            yield f"product {product} is gone and has imported measurements"
        if any(surplus.values()):
            yield f"product {product} has more or fewer measurements than imported: {surplus}"


def _leftovers(found: Snapshot) -> Iterator[str]:
    yield from (f"left behind: {path}" for path in [*found.runs, *found.incoming])
    yield from (f"left in the journal: {entry}" for entry in found.journal)


def log_violations(found: Snapshot) -> Iterator[str]:
    """Yield what is wrong with the logs alone: gaps, repeats, and lines at odds with a record."""
    for pk in found.logs.keys() - found.processes.keys():
        yield f"the log of process {pk} is there without its record"
    for pk, record in found.processes.items():
        lines = found.logs.get(pk, [])
        numbers = [entry[0] for _, entry in lines]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"the log of process {pk} has the lines {_ranges(numbers)}"
        yield from _stretches(found, pk)
        if record.get("log_bytes") not in (None, _text_bytes(lines)):
            yield f"process {pk} says {record['log_bytes']} bytes of log, it has others"
        if record["log_lines"] != len(lines):
            yield f"process {pk} has {len(lines)} lines and says {record['log_lines']}"
        attempts = [attempt for attempt, _ in lines]
        if attempts != sorted(attempts):
            yield f"in the log of process {pk} an attempt writes behind a later one: {attempts}"
        yield from _told(pk, record, lines)


def _stretches(found: Snapshot, pk: int) -> Iterator[str]:
    """Yield what is wrong with the segments of a log: they follow each other from line 1 on."""
    last = 0
    for first, end in sorted(
        (segment["first"], segment["last"])
        for segment in found.segments
        if segment["process"] == pk
    ):
        if first != last + 1:
            yield f"segments of process {pk} end at {last} and begin at {first}"
        last = end


def _text_bytes(lines: list[tuple[int, list[Any]]]) -> int:
    return sum(len(entry[3].encode()) + (len(entry) == 4) for _, entry in lines)


def _told(pk: int, record: Document, lines: list[tuple[int, list[Any]]]) -> Iterator[str]:
    """Yield what is wrong with the lines that pipelines number: gaps, and a missing end."""
    for attempt, said in itertools.groupby(lines, key=lambda line: line[0]):
        texts = [entry[3] for _, entry in said]
        told = [match for text in texts if (match := TOLD.fullmatch(text))]
        numbers = [int(match[1]) for match in told]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"attempt {attempt} of process {pk} said {_ranges(numbers)}"
        complete = (
            record["state"] == "succeeded"
            and attempt == record["attempt"]
            and record["pipeline"] not in SILENT
        )
        if complete and (not told or int(told[-1][1]) != int(told[-1][2])):
            yield f"attempt {attempt} of process {pk} succeeded, its lines end at {len(told)}"
        yield from _forked(pk, texts, complete)
        if NOT_ALONE in texts:
            yield f"attempt {attempt} of process {pk} began while another one was going on"


def _forked(pk: int, texts: list[str], complete: bool) -> Iterator[str]:
    """Yield what is wrong with the lines of forks, each of which may have begun again."""
    last: dict[str, tuple[int, int]] = {}
    for text in texts:
        if "fork" not in text:
            continue
        if (match := FORKED.fullmatch(text)) is None:
            yield f"process {pk} has a line that was torn: {text[:200]!r}"
        elif match[2]:
            before, _ = last.get(match[1], (0, 0))
            last[match[1]] = (int(match[2]), int(match[3]))
            if int(match[2]) not in (1, before + 1):
                yield f"process {pk}: fork {match[1]} says {match[2]} after {before}"
    if complete and any(number != total for number, total in last.values()):
        yield f"process {pk} succeeded, and its forks ended at {last}"


def _ranges(numbers: list[int]) -> str:
    """Return the numbers, with consecutive ones joined into ranges."""
    runs = itertools.groupby(enumerate(numbers), key=lambda pair: pair[1] - pair[0])
    ends = [[number for _, number in run] for _, run in runs]
    return ", ".join(f"{run[0]}-{run[-1]}" for run in ends) or "none"


def _keys(found: Snapshot) -> Iterator[str]:
    made: dict[int, str] = {}
    for submission in found.submissions:
        other = made.setdefault(submission["process"], submission["key"])
        if other != submission["key"]:
            yield f"process {submission['process']} was made by two keys"
    identifiers = [record["identifier"] for record in found.processes.values()]
    if len(identifiers) != len(set(identifiers)):
        yield "two processes have one identifier"


def _lost(found: Snapshot, promises: Promises) -> Iterator[str]:
    for pk, key in promises.accepted.items():
        if pk not in found.processes and pk not in promises.deleted:
            yield f"process {pk}, accepted by {key}, is lost"
    for pk in promises.cancelled & found.processes.keys():
        record = found.processes[pk]
        if record["pipeline"] in ENDLESS and record["state"] != "cancelled":
            yield f"process {pk} was cancelled and is {record['state']}"
    for pk in promises.deleted & found.processes.keys():
        yield f"process {pk} was deleted and is there"
    for pk in promises.uploaded - promises.deleted_products.keys() - found.products.keys():
        yield f"product {pk} was uploaded and is lost"
    for pk in promises.deleted_products.keys() & found.products.keys():
        yield f"product {pk} was deleted and is there"


def _ended_otherwise(found: Snapshot, promises: Promises) -> Iterator[str]:
    for pk, seen in promises.ended.items():
        record = found.processes.get(pk)
        for name in ("state", "terminal_timestamp", "failure_message", "attempt", "log_lines"):
            if record is not None and record[name] != seen[name]:
                yield f"process {pk} had ended with {name} {seen[name]}, it is {record[name]}"


def _lines_changed(found: Snapshot, promises: Promises) -> Iterator[str]:
    for pk, seen in promises.lines.items():
        if pk in found.processes:
            stored = {entry[0]: entry for _, entry in found.logs.get(pk, [])}
            changed = [number for number in seen if stored.get(number) != seen[number]]
            if changed:
                yield f"lines {_ranges(changed)} of process {pk} were shown, and are not so"
