"""The image that a run shows while it is in progress."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from runners.supervision.live_preview import LIMIT_BYTES, SIGNATURE, read_picture
from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=40)


def work(folder: Path) -> Path:
    (folder / "work").mkdir()
    return folder / "work" / "preview.png"


def test_a_png_is_read(tmp_path: Path) -> None:
    work(tmp_path).write_bytes(SIGNATURE + b"rest")
    assert read_picture(tmp_path) == SIGNATURE + b"rest"


def test_nothing_else_is(tmp_path: Path) -> None:
    assert read_picture(tmp_path) is None
    path = work(tmp_path)
    assert read_picture(tmp_path) is None
    path.write_bytes(b"<script>")
    assert read_picture(tmp_path) is None
    path.write_bytes(SIGNATURE + bytes(LIMIT_BYTES))
    assert read_picture(tmp_path) is None
    path.unlink()
    (tmp_path / "secret").write_bytes(SIGNATURE)
    path.symlink_to(tmp_path / "secret")
    assert read_picture(tmp_path) is None
    path.unlink()
    os.mkfifo(path)
    assert read_picture(tmp_path) is None, "and nobody waits for a writer"
    path.unlink()
    path.mkdir()
    assert read_picture(tmp_path) is None


async def test_a_run_is_seen_until_it_ends(client: Client) -> None:
    target = await client.make_target("Picture")
    products = await client.upload(target, ("a", b"x"))
    pk = (await client.submit("Shows", target, products))["pk"]
    path = f"/processes/{pk}/preview.png"
    async with asyncio.timeout(20):
        while (answer := await client.fetch(path)).code == 404:
            await asyncio.sleep(0.02)
    assert answer.code == 200
    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.body.startswith(SIGNATURE)
    again = await client.fetch(path, headers={"If-None-Match": answer.headers["Etag"]})
    assert again.code == 304
    await client.call(f"/api/processes/{pk}/cancel/", "POST", status=202)
    await client.ended(pk)
    assert (await client.fetch(path)).code == 404
    assert (await client.fetch("/processes/99999/preview.png")).code == 404
