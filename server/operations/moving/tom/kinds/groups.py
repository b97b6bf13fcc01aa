"""The groups of an old site: those that people made, and those of the outputs of processes."""

from __future__ import annotations

from collections.abc import Sequence

from server.core.records import DataProductGroup
from server.operations.moving.tom.database import Row
from server.operations.moving.tom.values import name_of
from server.operations.moving.tom.work import Work, missing


async def bring_groups(work: Work) -> None:
    """Bring all groups that are not here, and products that have come late to those that are."""
    total, done = work.site.count("group"), 0
    for rows in work.site.groups():
        new = await work.unknown("group", rows)
        if new:
            await _bring(work, new)
        if work.brought:
            await _complete(work, [row for row in rows if row not in new])
        done += len(rows)
        work.progress("Groups", done, total)


async def _bring(work: Work, rows: Sequence[Row]) -> None:
    store = work.here.store.groups
    there = await _there(work, rows)
    wanted = [_group(work, row, there) for row in rows]
    stored = await store.get_many([group.pk for group in wanted])
    await store.insert_many(missing("group", wanted, stored))
    await work.note("group", [row["id"] for row in rows])


async def _complete(work: Work, rows: Sequence[Row]) -> None:
    for row in rows:
        late = [pk for pk in work.known_pks("dataproduct", row["members"]) if pk in work.brought]
        if late:
            await work.here.store.groups.add_products(work.pk("group", row["id"]), late)


async def _there(work: Work, rows: Sequence[Row]) -> set[int]:
    """Return the products of these groups that are here."""
    members = (member for row in rows for member in row["members"])
    pks = work.known_pks("dataproduct", members)
    return {product.pk for product in await work.here.store.products.get_many(pks)}


def _group(work: Work, row: Row, there: set[int]) -> DataProductGroup:
    members = work.known_pks("dataproduct", row["members"])
    return DataProductGroup(
        pk=work.pk("group", row["id"]),
        created=work.created(row),
        name=name_of(row["name"], f"Group {row['id']}"),
        products=[pk for pk in members if pk in there],
        process=None if row["process"] is None else work.pks.new("processes", row["process"]),
    )
