"""Storage of files, in a local folder and in one that fsspec reaches by URL."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from fsspec.registry import _registry

from server.archive.storage import FileStorage
from server.archive.storage import local as local_module
from server.core.errors import AlreadyStored, DamagedFile, NoRoom, NotFound, StartError
from tests.fakes.s3_server import S3Server, environment, needs_s3, s3_server

CONTENT = bytes(range(256)) * 5_000


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    """Yield an S3 server that fsspec finds by its environment."""
    with s3_server() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(server.url).items():
            patch.setenv(name, value)
        yield server


@pytest.fixture(
    params=[
        *("folder", "file URL", "memory URL"),
        pytest.param("S3", marks=[pytest.mark.slow, needs_s3]),
    ]
)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> FileStorage:
    """Return empty storage of each kind."""
    place = tmp_path / "a folder"
    if request.param == "S3":
        return FileStorage(f"s3://{request.getfixturevalue('s3').bucket()}/deep")
    urls = {
        "folder": str(place),
        "file URL": f"file://{place}",
        "memory URL": f"memory://{secrets.token_hex(4)}/deep",
    }
    return FileStorage(urls[request.param])


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """Write a local file; return its path."""
    path = tmp_path / "local.fits"
    path.write_bytes(CONTENT)
    return path


async def content(storage: FileStorage, key: str, start: int = 0, stop: int | None = None) -> bytes:
    return b"".join([piece async for piece in storage.read(key, start, stop)])


@pytest.mark.parametrize("key", ["1/a.fits", "1/ß 星?#%20.fits", "1/..a", "17/" + "n" * 200])
async def test_a_file_comes_back_whole_and_in_part(
    runner: asyncio.Runner, storage: FileStorage, local: Path, key: str
) -> None:
    await storage.put(local, key)
    assert await storage.size(key) == len(CONTENT)
    assert await content(storage, key) == CONTENT
    for start, stop in ((0, 1), (5, 5), (1_000, 999_999), (1_279_999, None), (1_279_990, 9**9)):
        assert await content(storage, key, start, stop) == CONTENT[start:stop]


async def test_a_file_goes_out_in_pieces(
    runner: asyncio.Runner, storage: FileStorage, local: Path
) -> None:
    await storage.put(local, "1/a")
    sizes = [len(piece) async for piece in storage.read("1/a")]
    assert len(sizes) == 5
    assert max(sizes) <= 1 << 20


async def test_a_local_path_ends_in_the_name(
    runner: asyncio.Runner, storage: FileStorage, local: Path, tmp_path: Path
) -> None:
    await storage.put(local, "1/b.fits.fz")
    path = await storage.local("1/b.fits.fz", tmp_path / "copies")
    assert path.name == "b.fits.fz"
    assert path.read_bytes() == CONTENT


async def test_deleting_leaves_nothing_and_may_be_repeated(
    runner: asyncio.Runner, storage: FileStorage, local: Path, tmp_path: Path
) -> None:
    await storage.put(local, "1/a")
    for _ in range(2):
        await storage.delete_many(["1/a"])
    with pytest.raises(NotFound):
        await storage.size("1/a")
    with pytest.raises(NotFound):
        await content(storage, "1/a")
    with pytest.raises(NotFound):
        await storage.local("1/a", tmp_path)
    assert list((tmp_path / "a folder").glob("**/*")) == []


async def test_the_local_file_stays_so_that_all_can_be_tried_again(
    runner: asyncio.Runner, storage: FileStorage, local: Path
) -> None:
    await storage.put(local, "1/a")
    await storage.delete_many(["1/a"])
    await storage.put(local, "2/a")
    await asyncio.to_thread(local.unlink)
    assert await content(storage, "2/a") == CONTENT


@pytest.mark.parametrize("key", ["", "/etc/passwd", "../a", "1/..", "1/../../a", "1//a", "."])
async def test_no_key_leads_out_of_the_storage(
    runner: asyncio.Runner, storage: FileStorage, local: Path, key: str
) -> None:
    with pytest.raises(ValueError, match="cannot be the key"):
        await storage.put(local, key)
    with pytest.raises(ValueError, match="cannot be the key"):
        await storage.delete_many([key])


async def test_a_stored_file_cannot_be_written(
    runner: asyncio.Runner, local: Path, tmp_path: Path
) -> None:
    storage = FileStorage(tmp_path / "files")
    await storage.put(local, "1/a")
    assert (tmp_path / "files/1/a").stat().st_mode & 0o777 == 0o400


async def test_what_a_link_points_to_is_stored(
    runner: asyncio.Runner, local: Path, tmp_path: Path
) -> None:
    storage = FileStorage(tmp_path / "files")
    (tmp_path / "link").symlink_to(local)
    await storage.put(tmp_path / "link", "1/a")
    assert not (tmp_path / "files/1/a").is_symlink()
    assert await content(storage, "1/a") == CONTENT


async def test_a_file_from_another_file_system_is_copied(
    runner: asyncio.Runner, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, copy: Path) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "link", link)
    storage = FileStorage(tmp_path / "files")
    await storage.put(local, "1/a")
    assert await content(storage, "1/a") == CONTENT


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
async def test_a_full_disk_is_no_room_and_leaves_nothing(
    runner: asyncio.Runner,
    local: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    def link_or_copy(source: Path, copy: Path) -> None:
        copy.write_bytes(b"half")
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(local_module, "_link_or_copy", link_or_copy)
    storage = FileStorage(tmp_path / "files")
    with pytest.raises(NoRoom):
        await storage.put(local, "1/a")
    assert [path for path in (tmp_path / "files").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("url", ["nothing://like/this", "s3://bucket/folder"])
def test_storage_that_cannot_be_used_stops_the_start(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    monkeypatch.delitem(_registry, "s3", raising=False)
    with pytest.raises(StartError, match=r"files\.url"):
        FileStorage(url)


class Record(NamedTuple):
    """What the record of a product says of its file."""

    size: int
    sha256: str


RECORD = Record(len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


async def test_nothing_takes_the_place_of_a_stored_file(
    runner: asyncio.Runner, storage: FileStorage, local: Path, tmp_path: Path
) -> None:
    await storage.put(local, "1/a")
    other = tmp_path / "other"
    other.write_bytes(b"other")
    with pytest.raises(AlreadyStored, match="1/a"):
        await storage.put(other, "1/a")
    with pytest.raises(AlreadyStored, match="1/a"):
        await storage.check_free(["2/a", "1/a"])
    await storage.check_free(["2/a", "1/b"])
    assert await content(storage, "1/a") == CONTENT


async def test_nor_on_a_file_system_without_links(
    runner: asyncio.Runner, local: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def link(source: Path, copy: Path) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", link)
    storage = FileStorage(tmp_path / "files")
    await storage.put(local, "1/a")
    with pytest.raises(AlreadyStored):
        await storage.put(local, "1/a")
    assert await content(storage, "1/a") == CONTENT
    assert [path.name for path in (tmp_path / "files").glob("*/*")] == ["a"]


@pytest.mark.parametrize("size", [len(CONTENT) - 1, len(CONTENT) + 1, 0])
async def test_a_file_of_another_size_is_an_error_before_the_first_byte(
    runner: asyncio.Runner, storage: FileStorage, local: Path, tmp_path: Path, size: int
) -> None:
    await asyncio.to_thread(local.write_bytes, (CONTENT + b"x")[:size])
    await storage.put(local, "1/a.fits")
    for start, stop in ((0, None), (0, len(CONTENT)), (100, 200)):
        pieces = storage.read("1/a.fits", start, stop, expected=RECORD)
        with pytest.raises(DamagedFile, match=r"a\.fits is damaged: it has"):
            await anext(pieces)
    with pytest.raises(DamagedFile):
        await storage.local("1/a.fits", tmp_path / "copies", expected=RECORD)
    with pytest.raises(DamagedFile):
        await storage.check([("1/a.fits", RECORD)])


async def test_a_file_swapped_for_one_of_its_size_is_never_read_to_the_end(
    runner: asyncio.Runner, storage: FileStorage, local: Path, tmp_path: Path
) -> None:
    await asyncio.to_thread(local.write_bytes, CONTENT[:-1] + b"?")
    await storage.put(local, "1/a")
    pieces = storage.read("1/a", expected=RECORD)
    for _ in range(4):
        assert await anext(pieces)
    with pytest.raises(DamagedFile, match="another checksum"):
        await anext(pieces)
    with pytest.raises(DamagedFile, match="another checksum"):
        await storage.local("1/a", tmp_path / "copies", expected=RECORD, whole=True)


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (5, None), (7, 9)])
async def test_a_range_of_a_swapped_file_is_an_error_before_the_first_byte(
    runner: asyncio.Runner, local: Path, tmp_path: Path, start: int, stop: int | None
) -> None:
    storage = FileStorage(tmp_path / "files")
    await storage.put(local, "1/a")
    part = [piece async for piece in storage.read("1/a", start, stop, expected=RECORD)]
    assert b"".join(part) == CONTENT[start:stop]
    await storage.delete_many(["1/a"])
    await asyncio.to_thread(local.write_bytes, CONTENT[:-1] + b"?")
    await storage.put(local, "1/a")
    for _ in range(2):
        with pytest.raises(DamagedFile, match="another checksum"):
            await anext(storage.read("1/a", start, stop, expected=RECORD))


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (7, 9), (0, len(CONTENT))])
async def test_a_part_at_once_is_that_of_the_expected_file_or_an_error(
    runner: asyncio.Runner, storage: FileStorage, local: Path, start: int, stop: int
) -> None:
    with pytest.raises(NotFound):
        await storage.part("1/a", start, stop, expected=RECORD)
    await storage.put(local, "1/a")
    assert await storage.part("1/a", start, stop, expected=RECORD) == CONTENT[start:stop]
    await storage.delete_many(["1/a"])
    await asyncio.to_thread(local.write_bytes, CONTENT[:-1])
    await storage.put(local, "1/a")
    with pytest.raises(DamagedFile, match="bytes instead of"):
        await storage.part("1/a", start, stop, expected=RECORD)


@pytest.mark.parametrize(("start", "stop"), [(0, 10), (0, len(CONTENT))])
async def test_a_part_of_a_swapped_file_is_an_error_each_time(
    runner: asyncio.Runner, local: Path, tmp_path: Path, start: int, stop: int
) -> None:
    storage = FileStorage(tmp_path / "files")
    await storage.put(local, "1/a")
    await storage.part("1/a", start, stop, expected=RECORD)
    await storage.delete_many(["1/a"])
    await asyncio.to_thread(local.write_bytes, CONTENT[:-1] + b"?")
    await storage.put(local, "1/a")
    for _ in range(2):
        with pytest.raises(DamagedFile, match="another checksum"):
            await storage.part("1/a", start, stop, expected=RECORD)


async def test_a_file_cut_while_it_is_read_is_an_error(
    runner: asyncio.Runner, local: Path, tmp_path: Path
) -> None:
    storage = FileStorage(tmp_path / "files")
    await storage.put(local, "1/a")
    pieces = storage.read("1/a", expected=RECORD)
    assert await anext(pieces)
    os.truncate(tmp_path / "files/1/a", 10)
    with pytest.raises(DamagedFile, match="cut"):
        await anext(pieces)


@pytest.mark.parametrize("kind", ["FIFO", "link", "folder", "folder that is a link"])
async def test_what_is_not_a_regular_file_is_an_error_and_holds_nobody_up(
    runner: asyncio.Runner, local: Path, tmp_path: Path, kind: str
) -> None:
    storage, place = FileStorage(tmp_path / "files"), tmp_path / "files/1/a"
    await storage.put(local, "1/a")
    place.unlink()
    if kind == "FIFO":
        os.mkfifo(place)
    elif kind == "link":
        place.symlink_to(local)
    elif kind == "folder":
        place.mkdir()
    else:
        place.parent.rename(tmp_path / "elsewhere")
        (tmp_path / "elsewhere/a").write_bytes(CONTENT)
        place.parent.symlink_to(tmp_path / "elsewhere")
    async with asyncio.timeout(5):
        for expected in (RECORD, None):
            with pytest.raises(DamagedFile):
                await anext(storage.read("1/a", expected=expected))
            with pytest.raises(DamagedFile):
                await storage.local("1/a", tmp_path, expected=expected)
        with pytest.raises(DamagedFile):
            await storage.size("1/a")
        with pytest.raises(DamagedFile):
            await storage.check([("1/a", RECORD)])


async def test_the_copy_of_a_remote_file_is_checked(
    runner: asyncio.Runner, local: Path, tmp_path: Path
) -> None:
    storage = FileStorage(f"memory://{secrets.token_hex(4)}")
    await asyncio.to_thread(local.write_bytes, CONTENT[:-1] + b"?")
    await storage.put(local, "1/a")
    with pytest.raises(DamagedFile, match="checksum"):
        await storage.local("1/a", tmp_path / "copies", expected=RECORD)
    assert not (tmp_path / "copies/1/a").exists()


async def test_many_files_are_stored_at_once_and_the_first_that_is_taken_is_named(
    runner: asyncio.Runner, storage: FileStorage, local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.archive.storage.file_storage.AT_ONCE", 3)
    keys = [f"{number}/a" for number in range(1, 8)]
    await storage.put_many([(local, key) for key in keys])
    assert [await storage.size(key) for key in keys] == [len(CONTENT)] * 7
    with pytest.raises(AlreadyStored) as taken:
        await storage.put_many([(local, "8/a"), (local, "5/a"), (local, "9/a")])
    assert taken.value.key == "5/a"
    assert await content(storage, "5/a") == CONTENT
    with pytest.raises(NotFound):
        await storage.size("9/a")
