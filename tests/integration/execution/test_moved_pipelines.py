"""Pipelines of tom_education through a real server: what its own tests say of them holds here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from urllib.parse import quote, urlencode

import pytest
from astropy.io import fits

from server.config import PipelineEntry
from server.config.sections import Compat
from tests.integration.conftest import Client, make_config, serving

pytestmark = pytest.mark.gen_test(timeout=60)

NAMES = ("VariableStar", "Habits", "OnlyText", "Asks", "Cheese")
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Yield a client of a server with pipelines that have moved in."""
    config = replace(
        make_config(tmp_path_factory.mktemp("moved")),
        pipelines={name: PipelineEntry(path=f"moved_pipelines.{name}") for name in NAMES},
        compat=Compat(settings={"OBSERVER": "ana", "SITE": {"name": "Faulkes"}}),
    )
    with serving(config) as running:
        yield Client(running.url)


def frame(number: int) -> bytes:
    """Return a frame that says how bright the star is."""
    written = BytesIO()
    header = fits.Header({"MJD-OBS": 58000.5 + number, "MAG": 12.0 + number})
    fits.PrimaryHDU(header=header).writeto(written)
    return written.getvalue()


async def uploaded(client: Client, name: str) -> tuple[int, list[int]]:
    target = await client.make_target(name, ra=250.42, dec=36.46)
    files = [(f"frame{number}.fits", frame(number)) for number in range(2)]
    return target, await client.upload(target, *files)


async def test_the_old_form_runs_a_class_in_the_shape_of_tom_astrosources(moved: Client) -> None:
    target, products = await uploaded(moved, "Star 1.5")
    fields = {"action": "pipeline", "pipeline_name": "VariableStar", "pipeline_flag_plot": "on"}
    fields |= {str(pk): "on" for pk in products}
    path = f"/targets/{target}/data/"
    answer = await moved.fetch(path, "POST", urlencode(fields).encode(), headers=FORM)
    assert (answer.code, answer.body) == (200, b'{"ok":true}')
    [process] = (await moved.call(f"/api/processes/?target={target}"))["processes"]
    # Every flag starts false there, whatever its default.
    assert process["flags"] == {"plot": True, "detrend": False}
    record = await moved.ended(process["pk"])
    logs = await moved.call(f"/api/pipeline/logs/{record['pk']}/")
    assert record["state"] == "succeeded", logs["logs"]
    [pk] = record["outputs"]
    plot = await moved.call(f"/api/dataproducts/{pk}/")
    assert plot["name"] == f"{record['identifier']}_curve.png"
    assert plot["data_product_type"] == "plot"
    assert "data_product_type" not in await moved.call(f"/api/dataproducts/{products[0]}/")
    photometry = await moved.fetch(f"/targets/{target}/data/download/")
    assert photometry.body == (
        b"2017-09-04T12:00:00+00:00,12.0,0.01\r\n2017-09-05T12:00:00+00:00,13.0,0.01\r\n"
    )
    page = (await moved.fetch(f"/targets/{target}/?kind=all&type=plot")).body.decode()
    assert f"{record['identifier']}_curve.png" in page.partition('id="product-list"')[2]
    assert 'name="type" value="plot" checked' in page


async def test_outputs_status_and_log_are_as_its_own_tests_say(moved: Client) -> None:
    target, products = await uploaded(moved, "Habits")
    record = await moved.ended((await moved.submit("Habits", target, products))["pk"])
    assert (record["state"], record["status"]) == ("succeeded", "created")
    made = [await moved.call(f"/api/dataproducts/{pk}/") for pk in record["outputs"]]
    identifier = record["identifier"]
    assert [(each["name"], each.get("data_product_type")) for each in made] == [
        (f"{identifier}_a.csv", None),
        (f"{identifier}_note.hs", "image_file"),
        (f"{identifier}_b.png", "image_file"),
    ]
    content = [(await moved.fetch(each["url"])).body for each in made]
    assert content == [b"hello", b"goodbye", b"hello again"]
    group = await moved.call(f"/api/groups/{record['group']}/")
    assert (group["name"], group["products"]) == (f"{identifier}_outputs", record["outputs"])
    logs = await moved.call(f"/api/pipeline/logs/{record['pk']}/")
    assert logs["logs"].startswith(f"process {record['pk']} is {record['pk']}, group None\n")
    assert "ana at Faulkes\n" in logs["logs"]
    assert logs["group_url"] == f"/dataproducts/data/group/{record['group']}/"
    warned = [entry[3] for entry in await moved.lines(record["pk"]) if entry[2] == "warning"]
    assert len(warned) == 2
    assert warned[1].startswith("note.hs has no column time and no column magnitude: it is kept")
    sections = await moved.call(f"/api/processes/{record['pk']}/sections/")
    assert "Half way" in str(sections)
    curve = await moved.call(f"/api/targets/{target}/lightcurve/")
    assert [(row["time"], row["magnitude"]) for row in curve["lightcurve"]] == [(58000.5, 12.5)]
    page = await moved.fetch(f"/pipeline/{record['pk']}")
    assert f'href="/targets/{target}/"'.encode() in page.body


async def test_without_a_file_there_is_no_group(moved: Client) -> None:
    target, products = await uploaded(moved, "Only text")
    record = await moved.ended((await moved.submit("OnlyText", target, products))["pk"])
    assert (record["state"], record["outputs"], record["group"]) == ("succeeded", [], None)
    logs = await moved.call(f"/api/pipeline/logs/{record['pk']}/")
    assert (logs["group_name"], logs["group_url"], logs["logs"]) == (None, None, "")


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        ("Cheese", "Invalid output type 'cheese'"),
        ("Asks", "settings.MEDIA_ROOT is not available here (moved_pipelines.py, line "),
    ],
)
async def test_a_failure_is_said_in_its_words(moved: Client, pipeline: str, message: str) -> None:
    target, products = await uploaded(moved, pipeline)
    record = await moved.ended((await moved.submit(pipeline, target, products))["pk"])
    assert record["state"] == "failed"
    assert record["failure_message"].startswith(message)


async def test_old_media_addresses_lead_to_files_by_their_names(moved: Client) -> None:
    target, products = await uploaded(moved, "Proxima b; (é Cen)")
    await moved.upload(target, ("frame0.fits", b"a later one"))
    other, _ = await uploaded(moved, "Another")
    base = f"/data/{quote('Proxima b; (é Cen)')}"
    answer = await moved.fetch(f"{base}/none/frame0.fits")
    assert answer.code == 302
    assert answer.headers["Location"] == f"/dataproducts/{products[0]}/file/frame0.fits"
    whole = await moved.fetch(answer.headers["Location"])
    assert whole.body == frame(0)
    for path in (f"{base}/none/none.fits", f"{base}/lco/frame0.fits", f"{base}/none/", "/data/x"):
        assert (await moved.fetch(path)).code == 404, path
    assert (await moved.fetch(f"/data/{quote('proxima b; (é Cen)')}/none/frame0.fits")).code == 404
    assert other != target
