"""The cache of previews: drawn once, kept up to a limit."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from server.archive.derived.preview_cache import ABANDONED_SECONDS, PreviewCache

pytestmark = pytest.mark.gen_test


async def draw(picture: Path) -> None:
    await asyncio.to_thread(picture.write_bytes, b"x" * 100)


async def never(picture: Path) -> None:
    raise AssertionError(f"{picture.name} was drawn again")


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_a_picture_is_drawn_once_for_all_who_want_it(tmp_path: Path) -> None:
    drawn = []

    async def draw_slowly(picture: Path) -> None:
        drawn.append(picture)
        await asyncio.sleep(0.05)
        await draw(picture)

    preview_cache = PreviewCache(tmp_path, 1000)
    pictures = await asyncio.gather(*(preview_cache.get("a", draw_slowly) for _ in range(5)))
    assert set(pictures) == {b"x" * 100}
    assert len(drawn) == 1
    assert await PreviewCache(tmp_path, 1000).get("a", never) == b"x" * 100


async def test_what_was_unused_for_longest_goes_first(tmp_path: Path) -> None:
    preview_cache = PreviewCache(tmp_path, 300)
    for name in ("a", "b", "c"):
        await preview_cache.get(name, draw)
    for age, name in enumerate(("c", "b", "a")):
        moment = time.time() - 100 - age
        os.utime(tmp_path / name, (moment, moment))
    await preview_cache.get("a", never)
    await preview_cache.get("d", draw)
    assert names(tmp_path) == {"a", "d"}


async def test_a_shelf_without_room_still_gives_pictures(tmp_path: Path) -> None:
    preview_cache = PreviewCache(tmp_path, 0)
    assert await preview_cache.get("a", draw) == b"x" * 100
    assert await preview_cache.get("b", draw) == b"x" * 100
    assert names(tmp_path) == set()


async def test_a_smaller_limit_holds_from_the_first_picture_on(tmp_path: Path) -> None:
    for number in range(10):
        (tmp_path / str(number)).write_bytes(b"x" * 100)
    await PreviewCache(tmp_path, 250).get("new", draw)
    assert len(names(tmp_path)) == 2


async def test_a_failure_leaves_nothing_and_is_told_to_all(tmp_path: Path) -> None:
    async def fail(picture: Path) -> None:
        await draw(picture)
        raise ValueError("no picture")

    preview_cache = PreviewCache(tmp_path, 1000)
    answers = await asyncio.gather(
        *(preview_cache.get("a", fail) for _ in range(3)), return_exceptions=True
    )
    assert [str(answer) for answer in answers] == ["no picture"] * 3
    assert names(tmp_path) == set()
    assert await preview_cache.get("a", draw) == b"x" * 100


async def test_what_a_killed_server_was_drawing_is_swept(tmp_path: Path) -> None:
    for name, age in (("old.tmp", ABANDONED_SECONDS + 60), ("new.tmp", 1.0)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").write_bytes(b"x")
        moment = time.time() - age
        os.utime(tmp_path / name, (moment, moment))
    await PreviewCache(tmp_path, 1000).get("a", draw)
    assert names(tmp_path) == {"a", "new.tmp"}


async def test_a_file_for_which_there_is_room_stays_whatever_else_is_there(tmp_path: Path) -> None:
    preview_cache = PreviewCache(tmp_path, 1000)
    assert preview_cache.has_room_for(900)
    assert not preview_cache.has_room_for(901), "it would be deleted at once"

    async def write(file: Path) -> None:
        await asyncio.to_thread(file.write_bytes, b"x" * 900)

    await preview_cache.get("a", draw)
    await preview_cache.get("b", draw)
    made = await preview_cache.file("c", write)
    assert made.stat().st_size == 900
