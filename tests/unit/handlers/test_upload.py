"""Uploads: streamed, slowed down when storage is slow, all or nothing."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tornado.httpclient import HTTPResponse

from handlers.files.multipart import FileParts, boundary_of
from server.core.errors import InvalidInput, NoRoom
from tests.fakes.handler_fakes import Client, Fakes, json_of, until

URL = "/api/targets/1/dataproducts/"
KIND = "multipart/form-data; boundary=frontier"


def part(data: bytes, disposition: str = 'form-data; name="file"; filename="a.fits"') -> bytes:
    head = f"--frontier\r\nContent-Disposition: {disposition}\r\nContent-Type: x/y\r\n\r\n"
    return head.encode() + data + b"\r\n"


def named(name: str) -> str:
    return f'form-data; name="file"; filename="{name}"'


END = b"--frontier--\r\n"


async def upload(client: Client, body: bytes, kind: str = KIND) -> HTTPResponse:
    return await client.fetch(URL, "POST", headers={"Content-Type": kind}, body=body)


@given(
    st.lists(st.tuples(st.sampled_from(["a.fits", "é\u202e.fz", "a;b.txt"]), st.binary())),
    st.integers(1, 200),
)
def test_files_come_out_as_they_went_in_however_the_body_is_cut(
    files: list[tuple[str, bytes]], size: int
) -> None:
    body = b"".join(part(data, named(name)) for name, data in files) + END
    parts = FileParts(b"frontier")
    found: list[tuple[str, bytes]] = []
    for start in range(0, len(body), size):
        for event in parts.feed(body[start : start + size]):
            if isinstance(event, str):
                found.append((event, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + event)
    parts.finish()
    assert found == files


def test_a_boundary_is_needed() -> None:
    assert boundary_of(KIND) == b"frontier"
    with pytest.raises(InvalidInput):
        boundary_of("multipart/form-data")
    with pytest.raises(InvalidInput):
        FileParts(b"x" * 10_000)


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("a%22b.fits", 'a"b.fits'),
        ("a%0D%0Ab", "a\r\nb"),
        ("a%0d%0a", "a\r\n"),
        ("100%.fits", "100%.fits"),
        ("a%20b%2Fc%5C.fits", "a%20b%2Fc%5C.fits"),
        ("%2522", "%2522"),
        ("%%22", '%"'),
        ("é%22", 'é"'),
        ('a\\"b', 'a"b'),
    ],
)
def test_what_browsers_escape_in_a_file_name_is_read_and_nothing_else(sent: str, name: str) -> None:
    parts = FileParts(b"frontier")
    assert parts.feed(part(b"x", named(sent)) + END)[0] == name


@pytest.mark.gen_test
async def test_files_are_stored_in_their_order() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        body = part(b"x" * 300_000, named("a.fits")) + part(b"y", named('b \\"c.fz')) + END
        response = await upload(client, body)
        assert response.code == 201
        products = json_of(response)["dataproducts"]
    assert [product["name"] for product in products] == ["a.fits", 'b "c.fz']
    assert fakes.archive.bytes == {10: b"x" * 300_000, 11: b"y"}
    assert fakes.archive.left == fakes.archive.uploads


@pytest.mark.gen_test
@pytest.mark.parametrize(
    ("body", "field"),
    [
        (END, "file"),
        (part(b"x"), "detail"),
        (part(b"x")[:-10], "detail"),
        (b"no multipart at all", "detail"),
        (part(b"x", 'form-data; name="file"') + END, "file"),
        (part(b"x", 'form-data; name="file"; filename=""') + END, "file"),
        (part(b"x", 'form-data; name="picture"; filename="a"') + END, "picture"),
        (part(b"x", "form-data") + END, "name"),
    ],
)
async def test_what_is_no_file_is_400_and_leaves_nothing(body: bytes, field: str) -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        response = await upload(client, body)
        assert (response.code, list(json_of(response))) == (400, [field])
        await asyncio.sleep(0.01)
    assert fakes.archive.left == fakes.archive.uploads
    assert not any(each.committed for each in fakes.archive.uploads)


@pytest.mark.gen_test
async def test_a_file_name_that_is_no_utf8_is_400() -> None:
    async with Fakes().serving() as client:
        body = part(b"x").replace(b"a.fits", b"\xff.fits") + END
        response = await upload(client, body)
        assert (response.code, list(json_of(response))) == (400, ["file"])


@pytest.mark.gen_test
@pytest.mark.parametrize("kind", ["", "application/json", "multipart/mixed; boundary=frontier"])
async def test_another_type_is_415(kind: str) -> None:
    async with Fakes().serving() as client:
        assert (await upload(client, part(b"x") + END, kind)).code == 415


@pytest.mark.gen_test
async def test_no_body_is_415_and_no_length_411() -> None:
    async with Fakes().serving() as client:
        assert (await upload(client, b"", "")).code == 415
        request = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        assert (await client.exchange(request.encode())).startswith(b"HTTP/1.1 411 ")


@pytest.mark.gen_test
async def test_an_unknown_target_is_404() -> None:
    async with Fakes().serving() as client:
        headers = {"Content-Type": KIND}
        url = "/api/targets/9/dataproducts/"
        response = await client.fetch(url, "POST", headers=headers, body=part(b"x" * 10**6) + END)
        assert (response.code, json_of(response)) == (404, {"detail": "Not found."})


@pytest.mark.gen_test
async def test_too_large_a_file_is_413_and_the_connection_goes_on() -> None:
    fakes = Fakes()
    fakes.archive.limit_bytes = 100_000
    async with fakes.serving() as client:
        response = await upload(client, part(b"x" * 3_000_000) + END)
        assert response.code == 413
        assert (await upload(client, part(b"x") + END)).code == 201
    assert [each.committed for each in fakes.archive.left] == [False, True]


@pytest.mark.gen_test
async def test_a_full_disk_is_507() -> None:
    fakes = Fakes()
    fakes.archive.write_fault = NoRoom()
    async with fakes.serving() as client:
        assert (await upload(client, part(b"x") + END)).code == 507
        await asyncio.sleep(0.01)
    assert fakes.archive.left == fakes.archive.uploads


def headers_of(length: int) -> bytes:
    return (
        f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {KIND}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


@pytest.mark.gen_test
async def test_an_upload_cut_off_half_way_leaves_nothing() -> None:
    fakes = Fakes()
    async with fakes.serving() as client:
        _, writer = await client.connect()
        writer.write(headers_of(1_000_000) + part(b"x" * 100_000))
        await writer.drain()
        await until(lambda: fakes.archive.uploads and fakes.archive.uploads[0].parts)
        writer.close()
        await until(lambda: fakes.archive.left)
        assert not fakes.archive.left[0].committed


@pytest.mark.gen_test
async def test_a_slow_disk_holds_the_client_back() -> None:
    fakes = Fakes()
    fakes.archive.may_write.clear()
    async with fakes.serving() as client:
        _, writer = await client.connect()
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(headers_of(10**9) + part(b"")[:-2])

        async def flood() -> None:
            while True:
                writer.write(b"x" * 1_000_000)
                await writer.drain()

        flooding = asyncio.ensure_future(flood())
        await asyncio.sleep(0.3)
        assert not flooding.done()
        fakes.archive.may_write.set()
        await asyncio.sleep(0.1)
        stored = sum(len(data) for _, data in fakes.archive.uploads[0].parts)
        fakes.archive.may_write.clear()
        assert stored > 0
        flooding.cancel()
        writer.transport.abort()
        fakes.archive.may_write.set()
        await until(lambda: fakes.archive.left)


@pytest.mark.gen_test
async def test_the_products_of_a_target_are_listed() -> None:
    fakes = Fakes()
    fakes.archive.keep(3, "a.fits", b"abc")
    async with fakes.serving() as client:
        answer = json_of(await client.fetch(URL))
        [product] = answer["dataproducts"]
        assert (product["pk"], product["name"], product["size"]) == (3, "a.fits", 3)
        assert (list(answer), answer["next"]) == (["dataproducts", "next"], None)
        assert json_of(await client.fetch("/api/dataproducts/3/"))["name"] == "a.fits"
        assert (await client.fetch("/api/dataproducts/3/", "DELETE")).code == 409
        assert (await client.fetch("/api/targets/9/dataproducts/")).code == 404
