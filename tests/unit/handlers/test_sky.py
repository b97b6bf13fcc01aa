"""The sky of a target, by the API and on the page."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.config.sections import Site
from server.core.errors import NotExamined
from tests.fakes.handler_fakes import Fakes, json_of

pytestmark = pytest.mark.gen_test

PATH = "/api/targets/1/sky/"


def with_site() -> Fakes:
    """Return collaborators with a site, and a target that has coordinates."""
    fakes = Fakes()
    fakes.config = replace(fakes.config, site=Site(latitude=28.76, longitude=-17.88, name="Roque"))
    known = fakes.archive.stored_targets
    known[1] = known[1].evolve(ra=250.4, dec=36.5)
    return fakes


async def test_a_night_is_answered_with_its_version_and_computed_once() -> None:
    fakes = with_site()
    async with fakes.serving() as client:
        response = await client.fetch(f"{PATH}?night=2026-06-01")
        again = await client.fetch(
            f"{PATH}?night=2026-06-01", headers={"If-None-Match": response.headers["Etag"]}
        )
        tonight = await client.fetch(PATH)
    assert (response.code, again.code, tonight.code) == (200, 304, 200)
    answer = json_of(response)
    assert (answer["night"], answer["site"]["name"]) == ("2026-06-01", "Roque")
    assert answer["altitude"] == [36.5, 28.76]
    assert len(fakes.nights) == 2


@pytest.mark.parametrize(
    "night",
    [
        *("", "tonight", "2026-6-1", "2026-02-30", "1899-12-31", "2100-01-01", "20260601"),
        *("2026-W10-1", "2026-06-01T00:00", "%FF", "٢٠٢٦-06-01", "-001-01-01", "2026-06-01,x"),
    ],
)
async def test_what_is_no_date_in_time_is_400(night: str) -> None:
    fakes = with_site()
    async with fakes.serving() as client:
        response = await client.fetch(f"{PATH}?night={night}".encode().decode("latin-1"))
    assert (response.code, list(json_of(response))) == (400, ["night"])
    assert fakes.nights == []


async def test_without_site_coordinates_or_target_it_says_what_is_missing() -> None:
    fakes = with_site()
    async with fakes.serving() as client:
        assert (await client.fetch("/api/targets/999/sky/")).code == 404
        known = fakes.archive.stored_targets
        known[1] = known[1].evolve(dec=None)
        response = await client.fetch(PATH)
    assert response.code == 409
    assert "declination" in json_of(response)["detail"]
    async with Fakes().serving() as client:
        response = await client.fetch(PATH)
    assert response.code == 409
    assert "site.latitude" in json_of(response)["detail"]


async def test_what_cannot_be_computed_now_is_503_and_not_remembered() -> None:
    fakes = with_site()
    fakes.draw_fault = NotExamined("The sky could not be computed, try again later")
    async with fakes.serving() as client:
        response = await client.fetch(PATH)
        assert (response.code, json_of(response)["detail"]) == (503, f"{fakes.draw_fault}.")
        assert "Retry-After" in response.headers
        fakes.draw_fault = None
        assert (await client.fetch(PATH)).code == 200


async def test_the_page_has_a_place_for_it_only_where_there_is_a_site() -> None:
    fakes = with_site()
    async with fakes.serving() as client:
        page = (await client.fetch("/targets/1/")).body.decode()
        known = fakes.archive.stored_targets
        known[1] = known[1].evolve(ra=None)
        without = (await client.fetch("/targets/1/")).body.decode()
    assert '<section id="sky" aria-labelledby="sky-title" >' in page
    assert "/static/styles/sky.css" in page
    assert '<section id="sky" aria-labelledby="sky-title" hidden>' in without
    assert fakes.nights == []  # the page itself asks for nothing
    async with Fakes().serving() as client:
        page = (await client.fetch("/targets/1/")).body.decode()
    assert "sky" not in page
