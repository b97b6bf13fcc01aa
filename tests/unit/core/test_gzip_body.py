"""Gzip bodies made of parts: what comes out when they are unpacked."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zlib_ng.zlib_ng import crc32_combine

from server.core.gzip_body import PIECE_BYTES, Deflated, Pieces


async def packed(head: bytes, texts: list[bytes], tail: bytes) -> bytes:
    deflated = Deflated()
    for text in texts:
        await deflated.add(text)
    return b"".join(deflated.body(head, tail))


def unpacked(body: bytes) -> bytes:
    """Unpack a body as browsers do: one member, to its end."""
    decompressor = zlib.decompressobj(16 + zlib.MAX_WBITS)
    text = decompressor.decompress(body)
    assert decompressor.eof
    assert not decompressor.unused_data
    return text


@given(st.binary(max_size=50), st.lists(st.binary(max_size=100)), st.binary(max_size=50))
def test_whatever_was_put_in_comes_out(head: bytes, texts: list[bytes], tail: bytes) -> None:
    body = asyncio.run(packed(head, texts, tail))
    assert unpacked(body) == head + b"".join(texts) + tail
    assert gzip.decompress(body) == head + b"".join(texts) + tail


@pytest.mark.parametrize("size", [65_535, 65_536, 200_000])
def test_heads_and_tails_of_any_length_fit(size: int) -> None:
    part = b"x" * size
    body = asyncio.run(packed(part, [b"between"], part))
    assert unpacked(body) == part + b"between" + part


def test_a_long_text_gets_shorter() -> None:
    text = b"".join(b"line %d of a log\n" % number for number in range(100_000))
    body = asyncio.run(packed(b"{", [text[:1_000_000], text[1_000_000:]], b"}"))
    assert unpacked(body) == b"{%b}" % text
    assert len(body) < len(text) / 4


def test_a_body_can_be_made_again_with_another_head_and_after_more_text() -> None:
    async def scenario() -> list[bytes]:
        deflated = Deflated()
        await deflated.add(b"one ")
        first = deflated.body(b"a ", b" z")
        again = deflated.body(b"another ", b"")
        await deflated.add(b"two")
        return [b"".join(body) for body in (first, again, deflated.body(b"a ", b" z"))]

    bodies = [unpacked(body) for body in asyncio.run(scenario())]
    assert bodies == [b"a one  z", b"another one ", b"a one two z"]


@given(st.binary(), st.binary())
def test_checksums_join(first: bytes, second: bytes) -> None:
    joined = crc32_combine(zlib.crc32(first), zlib.crc32(second), len(second))
    assert joined == zlib.crc32(first + second)


def test_pieces_that_were_given_out_do_not_change() -> None:
    pieces = Pieces()
    pieces.add(b"a")
    given_out = list(pieces.pieces)
    pieces.add(b"b")
    pieces.add(b"x" * PIECE_BYTES)
    assert given_out == [b"a"]
    assert pieces.pieces == [b"ab", b"x" * PIECE_BYTES]
    assert pieces.size == 2 + PIECE_BYTES
