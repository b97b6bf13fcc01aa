"""Makes a claimed process ready to run and starts its child: folder, inputs, specification."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from collections.abc import Callable, Set
from pathlib import Path

from runners.execution import worker
from runners.execution.limits import Limits
from runners.execution.pool import Pool
from runners.pipeline.inputs import InputProduct, RunTarget
from runners.pipeline.own_copies import adopt
from server.archive.archive import Archive
from server.config import Config
from server.core.concurrency import retry_while_unavailable
from server.core.disk import open_files
from server.core.disk.disk_reserve import DiskReserve
from server.core.errors import DatabaseAway, NotFound
from server.core.records import DataProduct, PipelineDescription, ProcessRecord, Target
from server.execution.places.local import INPUTS, input_of
from server.execution.places.place import PlacedRun
from server.execution.places.places import Places
from server.execution.start_failures import CannotRun
from server.logs.logs import Logs
from server.processes.bounds import bounds_of
from server.processes.repository import ProcessRepository
from server.store.archive.targets import Targets
from server.store.processes.film_frames import FilmFrames
from server.store.processes.receipts import Receipts
from server.store.processes.sections import Sections


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunServices:
    """What an attempt works with."""

    config: Config
    repository: ProcessRepository
    logs: Logs
    receipts: Receipts
    sections: Sections
    film_frames: FilmFrames
    archive: Archive
    targets: Targets
    pool: Pool
    places: Places
    runs: Path
    pipelines: Callable[[str], PipelineDescription | None]
    reserve: DiskReserve
    #: returns the pipelines that can run here
    runnable: Callable[[], Set[str]] = frozenset

    def folder(self, record: ProcessRecord) -> Path:
        """Return the folder of one attempt: the next may begin before it is removed."""
        return self.runs / f"{record.pk}-{record.attempt}"

    async def remove_folder(self, record: ProcessRecord) -> None:
        """Remove the folder of an attempt."""
        await asyncio.to_thread(shutil.rmtree, self.folder(record), ignore_errors=True)


async def launch(
    record: ProcessRecord, services: RunServices, stopped: asyncio.Event
) -> tuple[PlacedRun, list[DataProduct]]:
    """Start the child of an attempt. Return the run, and the products that it was given.

    It waits for the database, but not for room on the disk. What else goes wrong is told apart by
    `start_failures`.

    :raises Stopped: `stopped` was set while the start was waited for.
    """
    target, products = await retry_while_unavailable(lambda: _given(record, services))
    spec = await retry_while_unavailable(
        lambda: _spec(record, target, products, services), through=(DatabaseAway,)
    )
    place = services.places.of(record.pipeline)
    folder = services.folder(record)
    return await place.launch(record.pipeline, spec, products, folder, stopped), products


async def _given(record: ProcessRecord, services: RunServices) -> tuple[Target, list[DataProduct]]:
    """Return the target, and the products in their order. Raises NotFound for a missing one."""
    target, products = await asyncio.gather(
        services.targets.get(record.target),
        services.archive.products.get_many(record.products),
    )
    if missing := set(record.products) - {product.pk for product in products}:
        raise NotFound("data product", min(missing))
    return target, products


async def _spec(
    record: ProcessRecord, target: Target, products: list[DataProduct], services: RunServices
) -> worker.RunSpec:
    description = services.pipelines(record.pipeline)
    if description is None or description.error:
        raise CannotRun(record.pipeline, None if description is None else description.error)
    folder = services.folder(record)
    await asyncio.to_thread(_make_empty, folder)
    config = services.config
    bounds = bounds_of(config, record.pipeline, folder)
    return worker.RunSpec(
        pk=record.pk,
        path=description.path,
        identifier=record.identifier,
        target=RunTarget(
            target.pk, target.identifier, target.name, target.ra, target.dec, target.extra_fields
        ),
        inputs=await _inputs(record, products, services),
        flags=record.flags,
        settings=dataclasses.asdict(config.timelapse),
        folder=str(folder / "work"),
        import_folder=None if config.folder is None else str(config.folder),
        limits=_limits(config, record.pipeline),
        log_level=config.limits_of(record.pipeline).log_level,
        compat=bounds.compat,
        environment=bounds.environment,
        confinement=bounds.confinement,
    )


def _make_empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("work", INPUTS):
        (folder / name).mkdir(parents=True, mode=0o700)


async def _inputs(
    record: ProcessRecord, products: list[DataProduct], services: RunServices
) -> list[InputProduct]:
    folder = services.folder(record) / INPUTS
    if services.places.of(record.pipeline).sends_inputs:
        return [input_of(product, folder) for product in products]
    return [await _input(product, services, folder) for product in products]


async def _input(product: DataProduct, services: RunServices, folder: Path) -> InputProduct:
    path = await services.archive.products.path(product, folder)
    made = input_of(product, folder, stored=path)
    if path.is_relative_to(folder):  # fetched, as storage is remote
        await asyncio.to_thread(adopt, made.data.source, product.name)
    return made


def _limits(config: Config, pipeline: str) -> Limits:
    limits = config.limits_of(pipeline)
    return Limits(
        address_space_bytes=limits.address_space_bytes,
        cpu_seconds=limits.cpu_seconds,
        file_size_bytes=limits.file_size_bytes,
        open_files=limits.open_files,
        open_files_soft=open_files.SOFT_LIMIT_AT_START,
        nice=limits.nice,
    )
