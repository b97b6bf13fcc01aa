"""Uploads, downloads, previews and groups on the real server."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.integration.conftest import Client, Running

pytestmark = pytest.mark.gen_test(timeout=30)

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}


def part(name: str, data: bytes, field: str = "file") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + data + b"\r\n"


def frame(**header: object) -> bytes:
    data = np.random.default_rng(1).normal(1000, 10, (40, 60)).astype(np.float32)
    hdu = fits.PrimaryHDU(data, fits.Header(header))
    file = io.BytesIO()
    hdu.writeto(file)
    return file.getvalue()


def incoming(running: Running) -> list[Path]:
    """Return the files left over from uploads."""
    return list((running.server.config.data / "incoming").iterdir())


async def test_files_come_back_byte_for_byte(client: Client) -> None:
    target = await client.make_target()
    files = {'m 13 é;".fits': os.urandom(3_000_000), "b.csv": b"time,mag\n"}
    body = b"".join(part(name.replace('"', '\\"'), data) for name, data in files.items())
    url = f"/api/targets/{target}/dataproducts/"
    made = await client.call(url, "POST", body + b"--b--\r\n", 201, headers=BOUNDARY)
    assert [product["name"] for product in made["dataproducts"]] == list(files)
    for product in made["dataproducts"]:
        data = files[product["name"]]
        assert product["size"] == len(data)
        assert product["sha256"] == hashlib.sha256(data).hexdigest()
        assert (product["target"], product["process"], product["groups"]) == (target, None, [])
        response = await client.fetch(product["url"])
        assert response.body == data
        assert response.headers["Etag"] == f'"{product["sha256"]}"'
        assert response.headers["Content-Disposition"].startswith("attachment")
        half = await client.fetch(product["url"], headers={"Range": "bytes=2-6"})
        assert (half.code, half.body) == (206, data[2:7])
        assert await client.call(f"/api/dataproducts/{product['pk']}/") == product
    listed = await client.call(url)
    assert listed == {"dataproducts": made["dataproducts"][::-1], "next": None}


async def test_the_same_name_twice_is_two_products_and_folders_are_left_out(
    client: Client,
) -> None:
    target = await client.make_target()
    names = ["a.fits", "../../a.fits", "C:\\\\data\\\\a.fits"]
    pks = await client.upload(target, *((name, b"x") for name in names))
    assert len(set(pks)) == 3
    for pk in pks:
        assert (await client.call(f"/api/dataproducts/{pk}/"))["name"] == "a.fits"


@pytest.mark.parametrize(
    "body",
    [
        b"--b--\r\n",
        b"",
        b"no multipart",
        part("a.fits", b""),
        part("a.fits", b"x") + part("empty.fits", b""),
        part("a.fits", b"x") + part("b.fits", b"x", "picture"),
        part("a.fits", b"x") + part("..", b"x"),
        part("a.fits", b"x") + part("a\x07.fits", b"x"),
        part("x" * 201, b"x"),
        part("a.fits", b"x") * 101,
    ],
)
async def test_a_bad_upload_is_400_and_nothing_of_it_stays(
    client: Client, running: Running, body: bytes
) -> None:
    target = await client.make_target()
    url = f"/api/targets/{target}/dataproducts/"
    end = b"" if b"--b" not in body else b"--b--\r\n"
    answer = await client.call(url, "POST", body + end or b"\r\n", 400, headers=BOUNDARY)
    assert list(answer) in (["file"], ["picture"], ["detail"])
    assert (await client.call(url))["dataproducts"] == []
    await nothing_incoming(running)


async def nothing_incoming(running: Running) -> None:
    for _ in range(200):
        if not await asyncio.to_thread(incoming, running):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("Something is left of an upload")


async def test_an_upload_cut_off_half_way_leaves_nothing(client: Client, running: Running) -> None:
    target = await client.make_target()
    url = f"/api/targets/{target}/dataproducts/"
    _, writer = await asyncio.open_connection("127.0.0.1", running.server.port)
    head = f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\n"
    head += f"Content-Type: {BOUNDARY['Content-Type']}\r\n\r\n"
    writer.write(head.encode() + part("a.fits", os.urandom(3_000_000)))
    await writer.drain()
    for _ in range(200):
        if await asyncio.to_thread(incoming, running):
            break
        await asyncio.sleep(0.01)
    writer.close()
    await nothing_incoming(running)
    assert (await client.call(url))["dataproducts"] == []


async def test_what_a_process_needs_stays_until_it_ended(client: Client) -> None:
    target = await client.make_target()
    [pk] = await client.upload(target, ("a.fits", b"x"))
    record = await client.submit("Waits", target, [pk])
    await client.call(f"/api/dataproducts/{pk}/", "DELETE", status=409)
    await client.call(f"/api/processes/{record['pk']}/cancel/", "POST", b"", status=202)
    await client.ended(record["pk"])
    await client.call(f"/api/dataproducts/{pk}/", "DELETE", status=204)
    await client.call(f"/api/dataproducts/{pk}/", status=404)
    assert (await client.fetch(f"/dataproducts/{pk}/file/a.fits")).code == 404


async def test_a_frame_tells_its_facts_and_shows_a_preview(client: Client) -> None:
    target = await client.make_target()
    data = frame(**{"DATE-OBS": "2019-08-02T10:09:44", "EXPTIME": 30.0, "FILTER": "V"})
    pk, text = await client.upload(target, ("m13.fits", data), ("a.txt", b"no picture"))
    facts = (await client.call(f"/api/dataproducts/{pk}/"))["fits"]
    assert list(facts) == ["date", "exposure", "filter", "instrument", "width", "height"]
    assert (facts["width"], facts["height"], facts["filter"]) == (60, 40, "V")
    picture = await client.fetch(f"/dataproducts/{pk}/preview.png")
    assert picture.code == 200
    assert picture.headers["Content-Type"] == "image/png"
    assert picture.body.startswith(b"\x89PNG\r\n")
    again = await client.fetch(f"/dataproducts/{pk}/preview.png")
    assert again.body == picture.body
    answer = await client.call(f"/dataproducts/{text}/preview.png", status=400)
    assert list(answer) == ["detail"]
    assert (await client.call(f"/api/dataproducts/{text}/"))["fits"] is None


async def test_the_header_of_a_frame_is_told_and_that_of_a_text_refused(client: Client) -> None:
    target = await client.make_target()
    pk, text = await client.upload(target, ("m13.fits", frame(FILTER="V")), ("a.txt", b"words"))
    headers = await client.call(f"/api/dataproducts/{pk}/header/")
    assert ["FILTER", "V", ""] in headers["hdus"][0]["cards"]
    assert not headers["cut"]
    answer = await client.call(f"/api/dataproducts/{text}/header/", status=400)
    assert list(answer) == ["detail"]


async def test_a_preview_takes_every_stretch(client: Client) -> None:
    [pk] = await client.upload(await client.make_target(), ("m13.fits", frame()))
    for stretch in ("asinh", "zscale", "linear", "sqrt", "log"):
        picture = await client.fetch(f"/dataproducts/{pk}/preview.png?stretch={stretch}")
        assert (picture.code, picture.body[:4]) == (200, b"\x89PNG")
    await client.call(f"/dataproducts/{pk}/preview.png?stretch=rubber", status=400)


async def test_a_group_is_added_to(client: Client) -> None:
    target = await client.make_target()
    one, two, three = await client.upload(target, *((f"{n}.bin", b"x") for n in range(3)))
    made = await client.call("/api/groups/", "POST", {"name": "Best", "products": [one]}, 201)
    path = f"/api/groups/{made['pk']}/products/"
    changed = await client.call(path, "POST", {"products": [three, one, two]})
    assert changed == made | {"products": [one, three, two]}
    assert await client.call(f"/api/groups/{made['pk']}/") == changed
    for products in ([], [999_999], ["1"], None, [True]):
        assert list(await client.call(path, "POST", {"products": products}, 400)) == ["products"]
    await client.call("/api/groups/999999/products/", "POST", {"products": [one]}, 404)


async def test_nothing_is_added_to_what_a_process_made(client: Client) -> None:
    record = await client.run("Outputs")
    path = f"/api/groups/{record['group']}/products/"
    await client.call(path, "POST", {"products": record["products"]}, 409)


async def test_a_group_holds_what_it_was_given_and_goes_alone(client: Client) -> None:
    target = await client.make_target()
    files = {"a.fits": os.urandom(300_000), "b.fits": b"x"}
    pks = await client.upload(target, *files.items())
    made = await client.call("/api/groups/", "POST", {"name": "Best", "products": pks}, 201)
    assert made["products"] == pks
    assert made["url"] == f"/dataproducts/data/group/{made['pk']}/"
    assert (await client.call(f"/api/dataproducts/{pks[0]}/"))["groups"] == [made["pk"]]
    assert (await client.call("/api/groups/?limit=1"))["groups"] == [made]
    response = await client.fetch(f"{made['url']}zip")
    with zipfile.ZipFile(io.BytesIO(response.body)) as book:
        assert {name: book.read(name) for name in book.namelist()} == files
        assert book.testzip() is None
    await client.call(f"/api/dataproducts/{pks[0]}/", "DELETE", status=204)
    assert (await client.call(f"/api/groups/{made['pk']}/"))["products"] == pks[1:]
    await client.call(f"/api/groups/{made['pk']}/", "DELETE", status=204)
    assert (await client.call(f"/api/dataproducts/{pks[1]}/"))["groups"] == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"products": []}, "products"),
        ({"products": [999_999]}, "products"),
        ({"name": " "}, "name"),
        ({"name": None}, "name"),
    ],
)
async def test_a_bad_group_is_400(client: Client, change: dict[str, object], field: str) -> None:
    target = await client.make_target()
    pks = await client.upload(target, ("a.fits", b"x"))
    wanted = {"name": "Best", "products": pks} | change
    assert list(await client.call("/api/groups/", "POST", wanted, 400)) == [field]


async def test_an_unknown_file_is_404_as_json(client: Client) -> None:
    for path in ("/dataproducts/999999/file/a", "/dataproducts/999999/preview.png"):
        response = await client.fetch(path)
        assert (response.code, json.loads(response.body)) == (404, {"detail": "Not found."})
    assert (await client.fetch("/dataproducts/data/group/999999/zip")).code == 404
