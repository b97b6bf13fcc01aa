"""Pages are for everybody: axe-core finds no fault, and a keyboard is enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Frame, Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
CURVE = "MJD,mag,err,filter\n" + "".join(
    f"{58545 + n / 7},{11 + n % 5 / 10},0.02,{'BV'[n % 2]}\n" for n in range(60)
)


def violations(page: Page | Frame) -> list[str]:
    """Return what axe finds, one line for each."""
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm install --prefix tests/browser")
    # Through the debugger, to which the page's policy does not apply.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[Any] = page.evaluate(
        "axe.run(document, {iframes: false, preload: false}).then(answer => answer.violations)"
    )
    places = [[node["html"][:150] for node in each["nodes"]] for each in found]
    return [
        f"{each['id']}: {each['help']}: {json.dumps(where)}"
        for each, where in zip(found, places, strict=True)
    ]


@pytest.fixture(scope="module")
def paths(observatory: Observatory, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make every kind of page with something on it; return their paths."""
    frames = synthesise_series(tmp_path_factory.mktemp("frames"), 3, (64, 80))
    files = {path.name: path.read_bytes() for path in frames}
    files |= {"curve.csv": CURVE.encode(), "notes.txt": b"clear sky"}
    target = observatory.make_target("Messier 13")
    products = observatory.upload(target, files)
    group = observatory.call("POST", "/api/groups/", {"name": "All", "products": products})
    process = observatory.submit(target, "Ticks", products[:1])
    record = observatory.ended(process)
    assert record["state"] == "succeeded"
    return {
        "targets": "/",
        "target": f"/targets/{target}/",
        "empty target": f"/targets/{observatory.make_target('Empty')}/",
        "process": f"/pipeline/{process}",
        "receipt": f"/processes/{process}/receipt/",
        "group": group["url"],
        "FITS": f"/dataproducts/{products[0]}/",
        "curve": f"/dataproducts/{products[3]}/",
        "text": f"/dataproducts/{products[4]}/",
        "login": "/login",
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)
def test_axe_finds_nothing(open_page: Open, paths: dict[str, str], width: int, scheme: str) -> None:
    page = open_page("/login", width=width, scheme=scheme)
    found = {}
    for name, path in paths.items():
        page.goto(path)
        page.wait_for_load_state("networkidle")
        if found_here := violations(page):
            found[name] = found_here
    assert not found, json.dumps(found, indent=1)


@pytest.mark.slow
def test_axe_finds_nothing_in_what_opens(open_page: Open, paths: dict[str, str]) -> None:
    page = open_page(paths["target"])
    page.locator("summary", has_text="Edit").click()
    page.get_by_label("Choose all").check()
    page.get_by_role("button", name="Group").click()
    assert violations(page) == []
    page.goto(paths["group"])
    page.locator("details.headers summary").first.click()
    expect(page.locator(".cards").first).to_contain_text("SIMPLE")
    page.get_by_role("button", name="Light curve").click()
    expect(page.locator('.plot[data-state="drawn"]')).to_be_visible()
    assert violations(page) == []
    [frame] = [frame for frame in page.frames if frame.url.endswith("/plot")]
    assert violations(frame) == []
