"""A whole import: what would be refused is found out first, then each kind is brought in its order.

The old site is only read. After a kill at any moment, the same again goes on from there, and what
is here already is not brought again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from server.config import Config
from server.core.records import Record
from server.operations.keeping.layout import Progress
from server.operations.moving.failures import told
from server.operations.moving.tom.destination import Destination, locked, looked_at, opened
from server.operations.moving.tom.kinds.groups import bring_groups
from server.operations.moving.tom.kinds.photometry import bring_photometry
from server.operations.moving.tom.kinds.processes import bring_processes
from server.operations.moving.tom.kinds.products import bring_products
from server.operations.moving.tom.kinds.targets import bring_targets
from server.operations.moving.tom.media import Media
from server.operations.moving.tom.opening import opened as opened_database
from server.operations.moving.tom.pks import KINDS, Admission, Pks
from server.operations.moving.tom.report import Count, Imported, Renumbered
from server.operations.moving.tom.site import DATA, Site
from server.operations.moving.tom.work import Examine, Examining, Work
from server.operations.schema import last_activity
from server.store.archive.activity import Active
from server.store.archive.old_sites import Kind, OldSite
from server.store.driver.errors import refusals_told

_WHAT: Mapping[Kind, str] = {
    "target": "targets",
    "dataproduct": "data products",
    "group": "groups",
    "processes": "processes",
}


@dataclass(frozen=True)
class Wanted:
    """What is to be imported, and how; `pipelines` are names by those of classes."""

    database: str
    media: Path
    renumber: bool = False
    copies: bool = False
    pipelines: Mapping[str, str] | None = None


def import_tom(
    config: Config, wanted: Wanted, examining: Examining, progress: Progress
) -> Imported:
    """Bring a site of tom_education into an installation, and return what was done.

    :raises NotDone: something is in the way, and nothing was written; the sentence says what to do.
    :raises StartError: a server uses the data folder, or none could start on it.
    """
    with told(), refusals_told(), opened_database(wanted.database) as database:
        site, media = Site(database), Media(wanted.media, copies=wanted.copies)
        media.keep_out(str(config.data))
        media.keep_out(config.storage_url)
        with locked(config) as folder:
            with looked_at(config) as documents:
                pks = Admission(site, documents).admit(renumber=wanted.renumber)

            async def bring() -> Imported:
                async with opened(config, folder) as here, examining() as examine:
                    return await _bring(site, media, pks, here, wanted, examine, progress)

            return asyncio.run(bring())


async def _bring(
    site: Site,
    media: Media,
    pks: Pks,
    here: Destination,
    wanted: Wanted,
    examine: Examine,
    progress: Progress,
) -> Imported:
    known = await here.store.old_sites.get(site.id)
    report = Imported(site.id, resumed=known is not None and not known.complete)
    work = Work(
        site, here, media, pks, examine, progress, wanted.pipelines or {},
        before=known is not None, report=report,
    )  # fmt: skip
    for table in site.lacking:
        report.notes.add(f"The old site has no table {table}: what is in it elsewhere is not here")
    await _claim(work, known)
    await bring_targets(work)
    await bring_products(work)
    await bring_groups(work)
    await bring_processes(work)
    measurements = await bring_photometry(work)
    await _note_activity(work)
    report.linked = media.linked
    await _sum_up(work, measurements)
    if stored := await here.store.old_sites.get(site.id):
        await here.store.old_sites.put(replace(stored, complete=True))
    return report


async def _claim(work: Work, known: OldSite | None) -> None:
    """Claim the PKs, and have those of what comes later begin behind them."""
    claimed = work.pks.stored()
    site = known or OldSite(work.site.id, work.now)
    await work.here.store.old_sites.put(replace(site, claimed=claimed, complete=False))
    for kind in KINDS:
        await work.here.store.counters.raise_to(kind, work.pks.highest(kind))


async def _note_activity(work: Work) -> None:
    """Have the targets listed by what was done last about each."""
    if not (work.report.written or work.report.resumed):
        return
    total, done = work.site.count("target"), 0
    store = work.here.store
    async for olds in store.old_records.of_site(work.site.id, "target"):
        for target in await store.targets.get_many(olds.values()):
            await store.activity.put(Active(await last_activity(store, target), target.pk))
        done += len(olds)
        work.progress("Listing targets", done, total)


async def _sum_up(work: Work, measurements: int) -> None:
    """Count what there is on both sides, of what is here as it is stored."""
    site, store, report = work.site, work.here.store, work.report
    here = dict.fromkeys(KINDS, 0)
    log_bytes = 0
    async for kind, olds in _brought(work):
        new = list(olds.values())
        if kind == "processes":
            records = await store.processes.get_many(new)
            log_bytes += sum(record.log_bytes or 0 for record in records)
            here[kind] += len(records)
        else:
            here[kind] += len(await _stored(work, kind, new))
        if work.pks.renumbered(kind):
            report.renumbered += [Renumbered(kind, *each) for each in olds.items()]
    report.renumbered = [each for each in report.renumbered if each.old != each.new]
    for kind, what in _WHAT.items():
        report.counts.append(Count(what, site.count(kind), here[kind]))
    report.counts.append(Count("bytes of logs", site.log_bytes(), log_bytes))
    report.counts.append(Count("measurements", site.count(DATA), measurements))


async def _stored(work: Work, kind: Kind, pks: Sequence[int]) -> Sequence[Record]:
    store = work.here.store
    if kind == "target":
        return await store.targets.get_many(pks)
    if kind == "group":
        return await store.groups.get_many(pks)
    return await store.products.get_many(pks)


async def _brought(work: Work) -> AsyncIterator[tuple[Kind, dict[int, int]]]:
    """Iterate over all that is noted as brought, some old and new PKs of one kind at a time."""
    for kind in KINDS:
        async for olds in work.here.store.old_records.of_site(work.site.id, kind):
            yield kind, olds
