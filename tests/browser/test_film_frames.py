"""The frames of a film on the page of its process: what is wrong with them, and their lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory
from tests.fakes.sky import noise, write_fits

pytestmark = pytest.mark.slow


@pytest.fixture
def show(open_page: Open, look: tuple[int, str]) -> Callable[[str], Page]:
    """Return a function that opens a page of the shared server in this look."""
    return lambda path: open_page(path, width=look[0], scheme=look[1])


def test_what_is_left_out_is_said_and_frames_lead_to_their_lines(
    show: Callable[[str], Page], observatory: Observatory, tmp_path: Path
) -> None:
    target = observatory.make_target("A night")
    files = {
        f"n{n}.fits": write_fits(
            tmp_path / f"n{n}.fits", noise(seed=n), DATE_OBS=f"2026-03-01T00:00:{n:02}"
        ).read_bytes()
        for n in range(3)
    }
    hostile = "<img src=x onerror=document.title=1>.fits"
    products = observatory.upload(target, files | {hostile: b"no image"})
    pk = observatory.submit(target, "Timelapse", products)
    observatory.ended(pk)
    page = show(f"/processes/{pk}")

    expect(page.locator(".standing [data-film-warning]")).to_have_text("Frames: 1 of 4 left out")
    page.locator("#film summary").click()
    expect(page.locator("#film summary")).to_have_text("3 frames in the film")
    expect(page.locator("#film-left-out li")).to_have_text([f"{hostile} is not a FITS file"])
    expect(page.locator("#film-frames li")).to_have_count(3)
    line = observatory.call("GET", f"/api/processes/{pk}/frames/")["frames"][1]["line"]
    page.locator("#film-frames a").nth(1).click()
    expect(page).to_have_url(re.compile(f"#L{line}$"))
    expect(page.locator(".line.chosen")).to_contain_text("Processing frame 2/3: n1.fits")


def test_a_process_that_is_no_film_has_no_frames(
    show: Callable[[str], Page], observatory: Observatory
) -> None:
    pk = observatory.run("Stages")
    observatory.ended(pk)
    expect(show(f"/processes/{pk}").locator("#film")).to_have_count(0)
