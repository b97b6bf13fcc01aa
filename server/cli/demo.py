"""`--demo`: a target with a series of synthetic frames, and two processes that use them."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from pathlib import Path

from runners.synthetic import synthesise_series
from server.app.server import Server
from server.archive.archive import Archive
from server.processes.service import Processes

log = logging.getLogger(__name__)

IDENTIFIER = "m13"
#: The Great Globular Cluster in Hercules; ICRS, degrees.
RA, DEC = 250.4235, 36.4613
PIECE_BYTES = 1 << 20


async def make_demo_on(server: Server) -> None:
    """Create the demonstration on a server that has just become ready."""
    services = server.services
    await make_demo(services.archive, services.processes, server.incoming)


async def make_demo(archive: Archive, processes: Processes, folder: Path) -> None:
    """Create the target with its frames and submit both processes, unless the target exists."""
    if any(
        target.identifier == IDENTIFIER
        for target in (await archive.targets.find(search="m13")).items
    ):
        log.info(
            "The demonstration's target exists already",
            extra={"action": "demo_skipped", "target_identifier": IDENTIFIER},
        )
        return
    target = await archive.targets.create(
        "Messier 13",
        identifier=IDENTIFIER,
        ra=RA,
        dec=DEC,
        extra_fields={"constellation": "Hercules", "origin": "synthetic"},
    )
    with tempfile.TemporaryDirectory(dir=folder) as made:
        frames = await asyncio.to_thread(synthesise_series, Path(made))
        products = await _upload(archive, target.pk, frames)
    await processes.submit(target.pk, "Timelapse", products, {})
    await processes.submit(target.pk, "Dummy", products, {"slow": True})


async def _upload(archive: Archive, target: int, frames: list[Path]) -> list[int]:
    async with archive.products.upload(target) as upload:
        for frame in frames:
            await upload.add(frame.name)
            with frame.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    await upload.write(piece)
        return [product.pk for product in await upload.commit()]
