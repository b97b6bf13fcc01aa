"""Inputs on a worker's machine: fetched once, checked, and bounded."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from runners.supervision.remote.input_cache import Damaged, InputCache

pytestmark = pytest.mark.gen_test
LIMIT_BYTES = 250


class Source:
    """A server that sends a file, and counts how often."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.fetched = 0

    async def fetch(self, take: Callable[[bytes], None]) -> None:
        """Send the content in two pieces."""
        self.fetched += 1
        take(self.content[:10])
        await asyncio.sleep(0)
        take(self.content[10:])


async def read(cache: InputCache, source: Source) -> bytes:
    """Return what a run finds."""
    held = cache.held(source.sha256, len(source.content), LIMIT_BYTES, source.fetch)
    async with held as path:
        return path.read_bytes()


async def test_what_was_fetched_is_not_fetched_again(tmp_path: Path) -> None:
    cache, source = InputCache(tmp_path / "c"), Source(b"a" * 100)
    both = await asyncio.gather(read(cache, source), read(cache, source))
    assert both == [source.content] * 2
    assert await read(cache, source) == source.content
    assert source.fetched == 1


async def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    cache = InputCache(tmp_path / "c")
    first, second, third = (Source(letter * 100) for letter in (b"a", b"b", b"c"))
    for source in (first, second, first, third, first):
        await read(cache, source)
    assert [each.fetched for each in (first, second, third)] == [1, 1, 1]
    await read(cache, second)
    assert second.fetched == 2
    assert sum(path.stat().st_size for path in (tmp_path / "c").iterdir()) <= LIMIT_BYTES


async def test_what_a_run_uses_stays_however_large(tmp_path: Path) -> None:
    cache = InputCache(tmp_path / "c")
    large, other = Source(b"l" * 900), Source(b"o" * 100)
    async with cache.held(large.sha256, 900, LIMIT_BYTES, large.fetch) as path:
        await read(cache, other)
        assert path.read_bytes() == large.content
    assert not path.exists()


@pytest.mark.parametrize("sent", [b"z" * 100, b"a" * 99, b"a" * 101, b""])
async def test_what_is_not_what_was_asked_for_is_not_kept(tmp_path: Path, sent: bytes) -> None:
    cache, wanted, other = InputCache(tmp_path / "c"), Source(b"a" * 100), Source(sent)
    with pytest.raises(Damaged):
        async with cache.held(wanted.sha256, 100, LIMIT_BYTES, other.fetch):
            pass
    assert list((tmp_path / "c").iterdir()) == []
    assert await read(cache, wanted) == wanted.content


async def test_a_file_that_was_changed_is_fetched_again(tmp_path: Path) -> None:
    cache, source = InputCache(tmp_path / "c"), Source(b"a" * 100)
    await read(cache, source)
    kept = tmp_path / "c" / source.sha256
    kept.chmod(0o600)
    kept.write_bytes(b"b" * 100)
    assert await read(cache, source) == source.content
    assert source.fetched == 2


def test_what_an_earlier_agent_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "left").write_text("x")
    InputCache(tmp_path / "c")
    assert list((tmp_path / "c").iterdir()) == []
