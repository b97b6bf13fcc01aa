"""An old site: its tables, by whatever names its version of the TOM Toolkit gives them, as records.

What the values mean is left to `values`; what becomes of the records, to the modules of each kind.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from server.core.errors import NotDone
from server.operations.moving.tom.database import OldDatabase, Row
from server.operations.moving.tom.values import moment, text, whole
from server.store.archive.old_sites import Kind

#: The table of each kind, with the names that it has in other versions, and what it must have.
_TARGETS = ("tom_targets_target", "tom_targets_basetarget")
PRODUCTS, GROUPS = "tom_dataproducts_dataproduct", "tom_dataproducts_dataproductgroup"
MEMBERS, DATA = "tom_dataproducts_dataproduct_group", "tom_dataproducts_reduceddatum"
EXTRAS, ALIASES = "tom_targets_targetextra", "tom_targets_targetname"
PROCESSES, PIPELINES = "tom_education_asyncprocess", "tom_education_pipelineprocess"
INPUTS = "tom_education_pipelineprocess_input_files"
MIGRATIONS = "django_migrations"

#: Rows that are read at once.
BATCH = 200

_TARGET_COLUMNS = (
    "id", "name", "identifier", "type", "created", "modified", "ra", "dec", "epoch", "parallax",
    "pm_ra", "pm_dec", "galactic_lng", "galactic_lat", "distance", "distance_err", "mean_anomaly",
    "arg_of_perihelion", "eccentricity", "lng_asc_node", "inclination", "mean_daily_motion",
    "semimajor_axis", "ephemeris_period", "ephemeris_period_err", "ephemeris_epoch",
    "ephemeris_epoch_err", "epoch_of_perihelion", "scheme", "perihdist", "epoch_of_elements",
)  # fmt: skip
_PRODUCT_COLUMNS = (
    "id", "product_id", "data", "created", "modified", "target_id", "data_product_type", "tag",
)  # fmt: skip
_PROCESS_COLUMNS = (
    "id", "created", "status", "terminal_timestamp", "failure_message", "target_id",
    "process_type", "identifier",
)  # fmt: skip
_DATUM_COLUMNS = ("id", "timestamp", "value", "data_product_id", "target_id", "data_type")


@dataclass(frozen=True)
class Maker:
    """The process whose group of outputs a product is in."""

    process: int
    identifier: str


class Site:
    """All that is read of a site.

    :raises NotDone: its database is not that of a TOM, or may not be read.
    """

    def __init__(self, database: OldDatabase) -> None:
        self._database = database
        self._targets = next((name for name in _TARGETS if self._has(name)), _TARGETS[0])
        for table, wanted in (
            (self._targets, {"id", "name"}),
            (PRODUCTS, {"id", "data", "target_id"}),
        ):
            if missing := sorted(wanted - database.columns(table)):
                raise NotDone(
                    f"This is not the database of a TOM: it has no table {table} with a column "
                    f"{missing[0]}"
                )
        # All are asked for at once: what may not be read is refused before anything is written.
        self.lacking = self._lacking()

    def _lacking(self) -> list[str]:
        """Return the names of the tables that such a site has, and this one has not."""
        wanted = [GROUPS, MEMBERS, DATA, EXTRAS, ALIASES, MIGRATIONS]
        if self._has(PROCESSES):
            wanted += [PIPELINES, INPUTS]
        return [table for table in wanted if not self._has(table)]

    @cached_property
    def id(self) -> str:
        """What tells the site from every other one, for as long as it lives."""
        columns = ("id", "app", "name", "applied")
        found = self._first(MIGRATIONS, columns) or self._first(
            self._targets, ("id", "name", "created")
        )
        facts = [_fact(value) for value in found.values()] if found else ["empty"]
        return f"t{hashlib.sha256(chr(31).join(facts).encode()).hexdigest()[:32]}"

    @property
    def has_processes(self) -> bool:
        """Whether it is a site of tom_education, not of the TOM Toolkit alone."""
        return self._has(PROCESSES)

    def count(self, kind: Kind | str) -> int:
        """Return how many records of a kind there are, or measurements and texts of `DATA`."""
        table = self._table(kind)
        return self._database.number(table, "count", "id") if self._has(table) else 0

    def last(self, kind: Kind) -> int:
        """Return the highest PK that the site has ever given to a record, as far as it says."""
        table = self._table(kind)
        if not self._has(table):
            return 0
        return max(self._database.number(table, "last", "id"), self._database.sequence(table))

    def log_bytes(self) -> int:
        """Return the size of all logs in UTF-8."""
        if "logs" not in self._database.columns(PIPELINES):
            return 0
        return self._database.number(PIPELINES, "bytes", "logs")

    def pks(self, kind: Kind) -> Iterator[int]:
        """Iterate over all PKs of a kind, ascending."""
        for row in self._rows(self._table(kind), ("id",)):
            yield row["id"]

    def targets(self) -> Iterator[list[Row]]:
        """Iterate over the targets, each with its `extras` and `aliases`."""
        for rows in self._batches(self._targets, _TARGET_COLUMNS):
            pks = _pks(rows)
            extras = self._by_owner(EXTRAS, ("id", "key", "value", "float_value"), "target_id", pks)
            aliases = self._by_owner(ALIASES, ("id", "name"), "target_id", pks)
            yield [
                row | {"extras": extras[row["id"]], "aliases": aliases[row["id"]]} for row in rows
            ]

    def products(self) -> Iterator[list[Row]]:
        """Iterate over the data products."""
        yield from self._batches(PRODUCTS, _PRODUCT_COLUMNS)

    def groups(self) -> Iterator[list[Row]]:
        """Iterate over the groups, each with its `members` and the `process` that it is of."""
        for rows in self._batches(GROUPS, ("id", "name", "created", "modified")):
            pks = _pks(rows)
            members = self._by_owner(MEMBERS, ("id", "dataproduct_id"), "dataproductgroup_id", pks)
            processes = self._processes_of(pks)
            for row in rows:
                row["members"] = [each["dataproduct_id"] for each in members[row["id"]]]
                row["process"] = processes[row["id"]].process if row["id"] in processes else None
            yield rows

    def processes(self) -> Iterator[list[Row]]:
        """Iterate over the processes, each with `inputs`, `flags_json` and `outputs`.

        The latter are the PK and the name of each product in its `group_id`.
        """
        for rows in self._batches(PROCESSES, _PROCESS_COLUMNS):
            pks = _pks(rows)
            key = "asyncprocess_ptr_id"
            pipelines = self._by_owner(PIPELINES, ("flags_json", "group_id"), key, pks)
            inputs = self._by_owner(INPUTS, ("id", "dataproduct_id"), "pipelineprocess_id", pks)
            groups = [each[0]["group_id"] for each in pipelines.values()]
            members = self._members([group for group in groups if whole(group) is not None])
            for row in rows:
                of_pipeline = pipelines[row["id"]][0] if pipelines[row["id"]] else {}
                row["flags_json"] = of_pipeline.get("flags_json")
                row["group_id"] = whole(of_pipeline.get("group_id"))
                row["inputs"] = [each["dataproduct_id"] for each in inputs[row["id"]]]
                row["outputs"] = members.get(row["group_id"], [])
            yield rows

    def log(self, process: int) -> str:
        """Return the log of a process."""
        found = self._of(PIPELINES, ("logs",), "asyncprocess_ptr_id", [process])
        return text(found[0]["logs"]) if found else ""

    def data(self) -> Iterator[list[Row]]:
        """Iterate over what was measured."""
        yield from self._batches(DATA, _DATUM_COLUMNS)

    def makers(self, products: Sequence[int]) -> dict[int, list[Maker]]:
        """Return the processes whose groups of outputs these products are in."""
        links = self._of(
            MEMBERS, ("dataproduct_id", "dataproductgroup_id"), "dataproduct_id", products
        )
        makers = self._processes_of({each["dataproductgroup_id"] for each in links})
        found: dict[int, list[Maker]] = defaultdict(list)
        for each in links:
            if maker := makers.get(each["dataproductgroup_id"]):
                found[each["dataproduct_id"]].append(maker)
        return found

    def created_of(self, targets: Sequence[Any]) -> dict[int, float | None]:
        """Return when these targets were created, in Unix seconds."""
        found = self._of(self._targets, ("id", "created"), "id", targets)
        return {each["id"]: moment(each["created"]) for each in found}

    def _processes_of(self, groups: Iterable[int]) -> dict[int, Maker]:
        """Return the process of each group that is one of outputs; it has a target."""
        columns = ("asyncprocess_ptr_id", "group_id")
        found = self._of(PIPELINES, columns, "group_id", list(groups))
        by_process = {each["asyncprocess_ptr_id"]: each["group_id"] for each in found}
        named = self._of(PROCESSES, ("id", "identifier", "target_id"), "id", list(by_process))
        targets = self.created_of([each["target_id"] for each in named])
        return {
            by_process[each["id"]]: Maker(each["id"], text(each["identifier"]))
            for each in named
            if each["target_id"] in targets
        }

    def _members(self, groups: Sequence[int]) -> dict[Any, list[tuple[int, str, str]]]:
        """Return PK, name and path of the products in each of these groups, in their order."""
        links = self._by_owner(MEMBERS, ("id", "dataproduct_id"), "dataproductgroup_id", groups)
        pks = [each["dataproduct_id"] for group in links.values() for each in group]
        found = self._of(PRODUCTS, ("id", "product_id", "data"), "id", pks)
        named = {each["id"]: (text(each["product_id"]), text(each["data"])) for each in found}
        return {
            group: [
                (each["dataproduct_id"], *named[each["dataproduct_id"]])
                for each in members
                if each["dataproduct_id"] in named
            ]
            for group, members in links.items()
        }

    def _by_owner(
        self, table: str, columns: Sequence[str], owner: str, pks: Sequence[int]
    ) -> dict[Any, list[Row]]:
        """Return the rows of these owners, each owner's in the order of their PKs."""
        found: dict[Any, list[Row]] = defaultdict(list)
        rows = self._of(table, (*columns, owner), owner, pks)
        for row in sorted(rows, key=lambda row: row.get("id") or 0):
            found[row[owner]].append(row)
        return found

    def _batches(self, table: str, columns: Sequence[str]) -> Iterator[list[Row]]:
        """Iterate over the rows of a table, some at a time; a column that is not there is None."""
        if not self._has(table):
            return
        there = [name for name in columns if name in self._database.columns(table)]
        lacking = dict.fromkeys(set(columns) - set(there))
        after = -(2**63)
        while rows := self._database.after(table, there, "id", after, BATCH):
            # SQLite sorts what is no number behind all numbers.
            found = [row | lacking for row in rows if whole(row["id"]) is not None]
            if found:
                yield found
            if len(found) < len(rows) or len(rows) < BATCH:
                return
            after = found[-1]["id"]

    def _rows(self, table: str, columns: Sequence[str]) -> Iterator[Row]:
        for rows in self._batches(table, columns):
            yield from rows

    def _of(self, table: str, columns: Sequence[str], key: str, values: Sequence[Any]) -> list[Row]:
        known = self._database.columns(table)
        if key not in known or not values:
            return []
        there = [name for name in dict.fromkeys(columns) if name in known]
        lacking = dict.fromkeys(set(columns) - set(there))
        return [row | lacking for row in self._database.of(table, there, key, values)]

    def _first(self, table: str, columns: Sequence[str]) -> Row | None:
        there = [name for name in columns if name in self._database.columns(table)]
        if "id" not in there:
            return None
        found = self._database.after(table, there, "id", -(2**63), 1)
        return {name: found[0][name] for name in there} if found else None

    def _has(self, table: str) -> bool:
        return bool(self._database.columns(table))

    def _table(self, kind: Kind | str) -> str:
        tables = {
            "target": self._targets,
            "dataproduct": PRODUCTS,
            "group": GROUPS,
            "processes": PROCESSES,
        }
        return tables.get(kind, kind)


def _pks(rows: Sequence[Row]) -> list[int]:
    return [row["id"] for row in rows]


def _fact(value: Any) -> str:
    """Return a value as text that does not depend on the kind of database it is in."""
    time = None if isinstance(value, int) else moment(value)
    return text(value) if time is None else f"{time:.6f}"
