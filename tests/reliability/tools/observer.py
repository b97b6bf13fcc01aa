"""An astronomer who does not give up: retries after a failure, and keeps what was promised."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

import numpy as np
from astropy.io import fits

from tests.reliability.tools.invariants import Promises
from tests.reliability.tools.serving import Client, Server, short_folder

Record = dict[str, Any]

POLL_SECONDS = 0.02
EXPOSURE_SECONDS = 30.0


def frame() -> bytes:
    """Return a small FITS file."""
    hdu = fits.PrimaryHDU(np.arange(256, dtype=np.uint8).reshape(16, 16))
    hdu.header["EXPTIME"] = EXPOSURE_SECONDS
    hdu.header["DATE-OBS"] = "2026-01-01T20:00:00"
    written = BytesIO()
    hdu.writeto(written)
    return written.getvalue()


FRAME = frame()


def new_key(pipeline: str) -> str:
    """Return a key that has not been used."""
    return f"{pipeline}-{secrets.token_hex(8)}"


@dataclass
class Observer:
    """An astronomer at work on one target."""

    client: Client
    promises: Promises = field(default_factory=Promises)
    target: int = 0
    patience_seconds: float = 60.0
    #: where to look up records, if not at the server
    look_up: Callable[[int], Awaitable[Record]] | None = None

    async def begin(self, name: str) -> None:
        """Make the target, or take the one that an unanswered try has made."""
        body = {"name": name, "identifier": name}
        made = await self.client.call("/api/targets/", "POST", body, 201, 409)
        if "pk" not in made:
            [made] = (await self.client.call(f"/api/targets/?search={name}"))["targets"]
        self.target = made["pk"]

    async def upload(self, *names: str) -> list[int]:
        """Upload small FITS files; return the PKs of their products."""
        parts = b"".join(
            b"--limit\r\nContent-Disposition: form-data; "
            b'name="file"; filename="%b"\r\n\r\n%b\r\n' % (name.encode(), FRAME)
            for name in names
        )
        path = f"/api/targets/{self.target}/dataproducts/"
        kind = {"Content_Type": "multipart/form-data; boundary=limit"}
        made = await self.client.call(path, "POST", parts + b"--limit--\r\n", 201, **kind)
        pks = [product["pk"] for product in made["dataproducts"]]
        self.promises.uploaded.update(pks)
        return pks

    async def submit(self, pipeline: str, products: list[int], **flags: bool) -> int:
        """Submit a process under a key of its own, until it is accepted; return its PK."""
        return await self.submit_as(new_key(pipeline), pipeline, products, **flags)

    async def submit_as(self, key: str, pipeline: str, products: list[int], **flags: bool) -> int:
        """Submit a process under this key, until it is accepted; return its PK."""
        body = {"target": self.target, "pipeline": pipeline, "products": products, "flags": flags}
        made = await self.client.call(
            "/api/processes/", "POST", body, 200, 201, Idempotency_Key=key
        )
        self.promises.accepted[made["pk"]] = key
        return int(made["pk"])

    async def rerun(self, pk: int) -> int:
        """Run a process again; return the PK of the new one.

        An unanswered try may have made one more, which does no harm.
        """
        made = await self.client.call(f"/api/processes/{pk}/rerun/", "POST", None, 201)
        self.promises.accepted[made["pk"]] = f"a rerun of {pk}"
        return int(made["pk"])

    async def share(self, pk: int) -> None:
        """Make a link to a process. An unanswered try may have made one more: that is no harm."""
        await self.client.call(f"/api/processes/{pk}/share/", "POST", None, 201)

    async def record(self, pk: int) -> Record:
        """Return the record of a process."""
        if self.look_up is not None:
            return await self.look_up(pk)
        record: Record = await self.client.call(f"/api/processes/{pk}/")
        return record

    async def until(self, pk: int, condition: Callable[[Record], bool]) -> Record:
        """Return the record of a process once a condition holds."""
        async with asyncio.timeout(self.patience_seconds):
            while True:
                record = await self.record(pk)
                if record["terminal_timestamp"] is not None:
                    self.promises.ended.setdefault(pk, record)
                if condition(record):
                    return record
                await asyncio.sleep(POLL_SECONDS)

    async def ended(self, pk: int) -> Record:
        """Return the record of a process once it has ended."""
        return await self.until(pk, lambda record: record["terminal_timestamp"] is not None)

    async def read(self, pk: int) -> list[list[Any]]:
        """Read all lines of a process as they come; return them once it has ended."""
        seen = self.promises.lines.setdefault(pk, {})
        after, ended = 0, False
        async with asyncio.timeout(self.patience_seconds):
            while not ended:
                page = await self.client.call(f"/api/processes/{pk}/logs/?after={after}")
                seen.update({entry[0]: entry for entry in page["lines"]})
                after, ended = page["next"], page["ended"]
                await asyncio.sleep(0 if page["lines"] else POLL_SECONDS)
        return [seen[number] for number in sorted(seen)]

    async def cancel(self, pk: int) -> None:
        """Cancel a process, which may have ended already."""
        response = await self.client.fetch(f"/api/processes/{pk}/cancel/", "POST")
        assert response.code in (202, 409), response.body
        self.promises.cancelled.add(pk)

    async def delete(self, pk: int) -> None:
        """Delete an ended process."""
        response = await self.client.fetch(f"/api/processes/{pk}/", "DELETE")
        assert response.code in (204, 404), response.body
        self.promises.deleted.add(pk)

    async def delete_product(self, pk: int, process: int | None = None) -> None:
        """Delete a product, an output of the process if one is given."""
        response = await self.client.fetch(f"/api/dataproducts/{pk}/", "DELETE")
        assert response.code in (204, 404), response.body
        self.promises.deleted_products[pk] = process


@contextlib.asynccontextmanager
async def observing(name: str) -> AsyncIterator[Observer]:
    """Yield an observer with a target of this name, on a server of its own."""
    with short_folder() as folder:
        server = Server(folder / "data")
        try:
            await server.start()
            observer = Observer(Client(server))
            await observer.begin(name)
            yield observer
        finally:
            await server.close()
