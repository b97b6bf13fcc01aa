"""Each route has examples in docs/api.md, by curl and by Python, and they do what they are for."""

from __future__ import annotations

import ast
import asyncio
import re
import shlex
import shutil
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import requests
from astropy.io import fits

from handlers.description.document import Described, described
from handlers.description.examples import SERVER, curl, has_examples, python
from handlers.pages.base import Page
from handlers.pages.not_found import UnknownHandler
from handlers.routes import all_routes
from server.config import Config
from server.config.sections import Pool, Site
from tests.integration.conftest import Client, make_config, serving

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text(encoding="utf-8")
#: The examples of errors, by what their requests have; and of what may have ended or not begun.
EXPECTED = {
    '{"ra": 400}': {400},
    "/cancel/": {202, 409},
    "/move/": {200, 409},
    "preview.png": {200, 404},
    ".jpg": {200, 404},
}
TABLE = b"JD,Mag,Err,Filter\n" + b"".join(
    b"%.2f,12.%d,0.01,V\n" % (2459000.5 + 0.4 * row, row) for row in range(9)
)
ORDER = ("GET", "POST", "PATCH", "DELETE")


def operations() -> list[Described]:
    routes = all_routes(cast(Any, None))
    known = (each for each in routes if not issubclass(each.handler_class, UnknownHandler))
    return [each for each in described(known) if has_examples(each)]


@pytest.mark.parametrize(
    "each",
    [
        each
        for each in operations()
        if each.subject.name != "Pages" and not issubclass(each.handler, Page)
    ],
    ids=lambda each: f"{each.method} {each.path}",
)
def test_the_documentation_shows_each_operation_by_curl_and_by_requests(each: Described) -> None:
    assert f"$ {curl(each)}\n" in PAGE
    assert ast.unparse(ast.parse(python(each))) in [line for _, line in calls()]


def config(folder: Path) -> Config:
    """Return a configuration with room for what runs on."""
    made = make_config(folder / "data")
    return replace(made, pool=Pool(workers=4), site=Site(latitude=28.7606, longitude=-17.8816))


def commands() -> Iterator[tuple[str, str]]:
    """Yield the commands of the documentation, each with its method."""
    for block in re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for command in re.findall(r"^\$ ((?:.*\\\n)*.*)$", block, re.MULTILINE):
            method = re.search(r"-X (\w+)", command)
            writes = re.search(r" -(?:d|F) ", command)
            yield method[1] if method else "POST" if writes else "GET", command


def calls() -> Iterator[tuple[str, str]]:
    """Yield the calls in Python in the documentation, each in one line and with its method."""
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        for statement in ast.parse(block).body:
            line = ast.unparse(statement)
            if found := re.match(r"requests\.(\w+)\(", line):
                yield found[1].upper(), line


def frame(seed: int) -> bytes:
    """Return a small FITS image with a date."""
    written = BytesIO()
    hdu = fits.PrimaryHDU(np.random.default_rng(seed).normal(100, 5, (48, 48)).astype("f4"))
    hdu.header["DATE-OBS"] = f"2026-03-01T22:00:{seed:02}"
    hdu.writeto(written)
    return written.getvalue()


async def prepare(client: Client) -> None:
    """Make what the examples are about, with the PKs that they name."""
    target = await client.make_target("m13", ra=250.4235, dec=36.4613)
    await client.make_target("Another")
    files = [(f"frame{number}.fits", frame(number)) for number in range(6)]
    products = await client.upload(target, *files, ("ss_cyg.csv", TABLE))
    assert (target, products) == (1, [1, 2, 3, 4, 5, 6, 7])
    for name in ("Mine", "Yours"):
        body = {"name": name, "products": products[:2]}
        await client.call("/api/groups/", "POST", body, status=201)
    await client.ended((await client.submit("Dummy", target, products[:2]))["pk"])
    await client.call("/api/targets/1/lightcurve/", "POST", {"product": products[6]})
    # A film, and what can be cancelled; both run on.
    for pipeline in ("Films", "Waits"):
        await client.submit(pipeline, target, products[3:4])


async def all_ended(client: Client) -> None:
    """Wait for the end of what uses the data products that are to be deleted."""
    found = await client.call("/api/processes/?pipeline=Dummy")
    for record in found["processes"]:
        await client.ended(record["pk"])


async def try_all(
    client: Client, examples: list[tuple[str, str]], do: Callable[[str], Awaitable[int]]
) -> None:
    """Do all examples, those that delete last; each must have a status that is expected."""
    for method in ORDER:
        if method == "DELETE":
            await all_ended(client)
        # What belongs to something goes before it.
        found = [text for each, text in examples if each == method]
        for text in (
            sorted(found, key=lambda text: -text.count("/")) if method == "DELETE" else found
        ):
            status = await do(text)
            expected = next((EXPECTED[part] for part in EXPECTED if part in text), range(200, 400))
            assert status in expected, f"{text}: {status}"


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.gen_test(timeout=60)
async def test_the_commands_do_what_they_are_for(tmp_path: Path) -> None:
    (tmp_path / "frame0.fits").write_bytes(frame(1))
    (tmp_path / "frame1.fits").write_bytes(frame(2))

    with serving(config(tmp_path)) as running:
        client = Client(running.url)
        await prepare(client)

        async def do(command: str) -> int:
            typed = shlex.split(command.replace("\\\n", " ").replace(SERVER, running.url))
            # Whatever is printed or stored, the status comes last.
            typed = [*typed, "-S", "-w", "\n%{http_code}", "--max-time", "20"]
            done = await asyncio.to_thread(
                subprocess.run, typed, cwd=tmp_path, capture_output=True, check=True
            )
            return int(done.stdout.rpartition(b"\n")[2])

        found = list(commands())
        assert len(found) > 35
        await try_all(client, found, do)


@pytest.mark.slow
@pytest.mark.gen_test(timeout=60)
async def test_the_lines_of_python_do_what_they_are_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "frame0.fits").write_bytes(frame(1))
    monkeypatch.chdir(tmp_path)
    with serving(config(tmp_path)) as running:
        client = Client(running.url)
        await prepare(client)

        async def do(line: str) -> int:
            names = {"requests": requests, "server": running.url, "open": opened}
            response = await asyncio.to_thread(eval, line, names)
            return int(response.status_code)

        found = list(calls())
        assert len(found) > 30
        await try_all(client, found, do)


def opened(name: str, mode: str) -> BytesIO:
    """Return the content of a file, as an example leaves the file open."""
    assert mode == "rb"
    return BytesIO(Path(name).read_bytes())
