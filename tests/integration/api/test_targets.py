"""Targets on the real server."""

from __future__ import annotations

import secrets

import pytest

from tests.integration.conftest import Client

pytestmark = pytest.mark.gen_test(timeout=30)


async def test_a_target_comes_back_as_it_was_made(client: Client) -> None:
    wanted = {
        "name": "Großer Kugelsternhaufen",
        "ra": 250.423475,
        "dec": 36.461319,
        "extra_fields": {"a.b": 1, "$c": None, "": [True, {"deep": "é"}], "big": 2**63 - 1},
    }
    made = await client.call("/api/targets/", "POST", wanted, status=201)
    assert {name: made[name] for name in wanted} == wanted
    assert await client.call(f"/api/targets/{made['pk']}/") == made
    target = await client.call(f"/api/target/{made['pk']}/")
    named = {"name": wanted["name"], "extra_fields": wanted["extra_fields"]}
    assert target == {"target": named, "timelapses": []}


async def test_an_identifier_is_made_from_the_name_and_unique(client: Client) -> None:
    name = f"NGC {secrets.token_hex(4)}"
    made = [
        await client.call("/api/targets/", "POST", {"name": name}, status=201) for _ in range(3)
    ]
    first = name.lower().replace(" ", "-")
    identifiers = [target["identifier"] for target in made]
    assert identifiers == [first, f"{first}-2", f"{first}-3"]
    unnamed = await client.call("/api/targets/", "POST", {"name": "星"}, status=201)
    assert unnamed["identifier"] == f"target-{unnamed['pk']}"
    taken = {"name": "Other", "identifier": first}
    assert "detail" in await client.call("/api/targets/", "POST", taken, status=409)
    change = {"identifier": identifiers[1]}
    await client.call(f"/api/targets/{made[0]['pk']}/", "PATCH", change, status=409)


async def test_a_patch_changes_what_it_names(client: Client) -> None:
    pk = await client.make_target("Before", ra=1.0, dec=2.0)
    changed = await client.call(f"/api/targets/{pk}/", "PATCH", {"name": "After", "ra": None})
    assert (changed["name"], changed["ra"], changed["dec"]) == ("After", None, 2.0)
    assert await client.call(f"/api/targets/{pk}/") == changed
    await client.call(f"/api/targets/{pk}/", "PATCH", {"dec": 91}, status=400)
    await client.call(f"/api/targets/{pk}/", "PATCH", {"name": "\x00"}, status=400)
    assert await client.call(f"/api/targets/{pk}/") == changed


async def test_a_search_goes_through_all_its_pages(client: Client) -> None:
    mark = secrets.token_hex(4)
    made = [await client.make_target(f"Field {mark} {number}") for number in range(5)]
    found: list[int] = []
    url: str | None = f"/api/targets/?search={mark.upper()}&limit=2"
    while url is not None:
        page = await client.call(url)
        found += [target["pk"] for target in page["targets"]]
        after = page["next"]
        url = after and f"/api/targets/?search={mark}&limit=2&before={after}"
    assert found == sorted(made, reverse=True)


async def test_a_target_goes_with_all_it_has_only_by_force(client: Client) -> None:
    record = await client.run("Outputs")
    url = f"/api/targets/{record['target']}/"
    assert "force" in (await client.call(url, "DELETE", status=409))["detail"]
    await client.call(f"{url}?force=true", "DELETE", status=204)
    for gone in (
        url,
        f"/api/processes/{record['pk']}/",
        f"/api/async/status/{record['target']}/",
        f"/api/dataproducts/{record['outputs'][0]}/",
        f"/api/dataproducts/{record['products'][0]}/",
        f"/api/groups/{record['group']}/",
    ):
        assert (await client.fetch(gone)).code == 404


async def test_a_target_with_nothing_simply_goes(client: Client) -> None:
    target = await client.make_target()
    await client.call(f"/api/targets/{target}/", "DELETE", status=204)
    await client.call(f"/api/targets/{target}/", "DELETE", status=404)
