"""The page of all targets: make one, find it."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import pytest
from astropy.coordinates import Angle
from playwright.sync_api import Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory
from tests.browser.support.showing_pipelines import HOSTILE

WIDTHS = pytest.mark.parametrize(
    ("width", "scheme"), [pytest.param(360, "dark", marks=pytest.mark.long), (1280, "light")]
)


def open_form(page: Page) -> None:
    """Open the form for a new target, which is open already where there are no targets yet."""
    if not page.get_by_label("Name", exact=True).is_visible():
        page.locator("summary", has_text="New target").click()


def test_a_target_is_made_from_sexagesimal_coordinates(open_page: Open) -> None:
    page = open_page("/")
    name = f"Cluster {secrets.token_hex(4)}"
    open_form(page)
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Right ascension").fill("16:41:41.63")
    page.get_by_label("Declination").fill("-36 27 40.7")
    page.get_by_role("button", name="Make target").click()
    expect(page).to_have_url(re.compile(r"/targets/\d+/$"))
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.locator(".facts-line")).to_contain_text("16h 41m 41.63s")
    expect(page.locator(".facts-line")).to_contain_text("\u221236\u00b0 27\u2032 40.7\u2033")


def test_what_is_wrong_with_a_target_is_said_at_its_field(open_page: Open) -> None:
    page = open_page("/")
    open_form(page)
    page.get_by_label("Name", exact=True).fill("A star")
    page.get_by_label("Right ascension").fill("west of the moon")
    page.get_by_role("button", name="Make target").click()
    expect(page.locator("#said-ra")).to_contain_text("16:41:41.6")
    expect(page.get_by_label("Right ascension")).to_have_attribute("aria-invalid", "true")


def test_targets_are_found_while_typing(open_page: Open, observatory: Observatory) -> None:
    name = f"Nova {secrets.token_hex(4)}"
    observatory.make_target(name)
    page = open_page("/")
    page.get_by_role("searchbox").press_sequentially(name[-6:])
    expect(page.locator("#targets tbody tr")).to_have_count(1)
    expect(page.locator("#targets")).to_contain_text(name)
    expect(page).to_have_url(re.compile(r"\?search="))
    page.get_by_role("searchbox").fill("no such star")
    expect(page.locator("#targets")).to_contain_text("No target has \u201cno such star\u201d")


@WIDTHS
def test_a_target_is_made_with_further_facts(open_page: Open, width: int, scheme: str) -> None:
    page = open_page("/", width=width, scheme=scheme)
    open_form(page)
    page.get_by_label("Name", exact=True).fill("A variable")
    page.get_by_label("Further facts").fill("magnitude: 11.3\nkind: <b>RR Lyrae</b>")
    page.get_by_role("button", name="Make target").click()
    expect(page.locator(".facts-line")).to_contain_text("magnitude 11.3")
    expect(page.locator(".facts-line")).to_contain_text("kind <b>RR Lyrae</b>")


@pytest.mark.slow
def test_the_list_counts_what_there_is_and_names_what_runs(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target(f"Busy {secrets.token_hex(4)}")
    products = observatory.upload(target, {"a.txt": b"x", "b.txt": b"y"})
    page = open_page("/")
    row = page.locator("#targets tr", has=page.locator(f'[data-running="{target}"]'))
    expect(row.locator(".count")).to_have_text(["2", "0"])
    process = observatory.submit(target, "Ticks", products, long=True)
    expect(row.get_by_role("link", name="Ticks")).to_have_attribute("href", f"/pipeline/{process}")
    page.reload()
    expect(row.locator(".count")).to_have_text(["2", "1"])
    expect(row.get_by_role("link", name="Ticks")).to_have_attribute("href", f"/pipeline/{process}")
    observatory.call("POST", f"/api/processes/{process}/cancel/")
    expect(row.get_by_role("link", name="Ticks")).to_have_count(0)


@pytest.mark.slow
def test_the_newest_image_is_shown_whatever_came_after_it(
    open_page: Open, observatory: Observatory, tmp_path: Path
) -> None:
    [frame] = synthesise_series(tmp_path, 1, (64, 80))
    target = observatory.make_target(f"Imaged {secrets.token_hex(4)}")
    [image] = observatory.upload(target, {frame.name: frame.read_bytes()})
    observatory.upload(target, {f"{n}.txt": b"x" for n in range(20)})
    page = open_page("/")
    row = page.locator("#targets tr", has=page.locator(f'[data-running="{target}"]'))
    expect(row.locator("img")).to_have_attribute("src", f"/dataproducts/{image}/preview.png")


@pytest.mark.slow
def test_a_target_is_edited_and_deleted_from_the_list(
    open_page: Open, observatory: Observatory
) -> None:
    name = f"Mistake {secrets.token_hex(4)}"
    observatory.make_target(name)
    page = open_page("/")
    page.get_by_role("link", name=f"Edit {name}").click()
    page.get_by_label("Declination").fill("-0 30 00")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".facts-line")).to_contain_text("\u22120.50000\u00b0")
    page.goto("/")
    page.get_by_role("button", name=f"Delete {name}").click()
    page.locator("#question").get_by_role("button", name="Keep").click()
    expect(page.locator("#targets")).to_contain_text(name)
    page.get_by_role("button", name=f"Delete {name}").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#targets")).not_to_contain_text(name)


def test_coordinates_are_read_as_astropy_reads_them(open_page: Open) -> None:
    angles = {
        "16:41:41.63": Angle("16h41m41.63s"),
        "16 41 41.63": Angle("16h41m41.63s"),
        "16h 41m": Angle("16h41m"),
        "250.4233": Angle("250.4233d"),
        "00:00:00.01": Angle("0h0m0.01s"),
    }
    declinations = {
        "-00:30:00": Angle("-0d30m"),
        "\u22120\u00b0 30\u2032 15.5\u2033": Angle("-0d30m15.5s"),
        "+36 27 40.7": Angle("36d27m40.7s"),
        "-12.5": Angle("-12.5d"),
    }
    page = open_page("/login")
    for known, unit in ((angles, 15), (declinations, 1)):
        read = page.evaluate(
            """async ([texts, unit]) => {
              const {degreesOf} = await import('/static/draw/target/coordinates.js');
              return texts.map(text => degreesOf(text, unit));
            }""",
            [list(known), unit],
        )
        assert read == pytest.approx([angle.degree for angle in known.values()], abs=1e-9)


def test_a_hostile_name_stays_text(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target(HOSTILE)
    page = open_page("/")
    expect(page.get_by_role("link", name=HOSTILE).first).to_be_visible()
    page.goto(f"/targets/{target}/")
    expect(page.get_by_role("heading", level=1)).to_have_text(HOSTILE)
    assert page.title().endswith(f"{HOSTILE} · Heliograph")  # behind the count of what runs


def test_an_unknown_address_is_answered_by_a_page(open_page: Open) -> None:
    page = open_page("/")
    answer = page.request.get("/targets/999999/")
    assert answer.status == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "Not Found" in answer.text()
