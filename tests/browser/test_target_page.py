"""One target's page: upload, choose, run, watch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from runners.synthetic import synthesise_series
from tests.browser.conftest import Open
from tests.browser.support.observatory import Observatory

#: Browsers send `"` in a file name as `%22`, so it has none.
HOSTILE_NAME = "'><svg onload=document.title='taken'>.txt"

DROP = """names => {
  const dropped = new DataTransfer();
  for (const name of names) dropped.items.add(new File(['x'], name));
  for (const kind of ['dragenter', 'dragover', 'drop']) {
    const event = new DragEvent(kind, {dataTransfer: dropped, bubbles: true, cancelable: true});
    document.body.dispatchEvent(event);
  }
}"""


def products(page: Page) -> list[str]:
    """Return the names of the data products as shown."""
    return page.locator("#product-list tbody th > a").all_inner_texts()


def rows(count: int) -> dict[str, bytes]:
    """Return this many files to upload."""
    return {f"file {number}.txt": b"x" for number in range(count)}


def test_frames_are_uploaded_run_and_watched(
    open_page: Open, observatory: Observatory, tmp_path: Path
) -> None:
    frames = synthesise_series(tmp_path, 4, (64, 80))
    page = open_page(f"/targets/{observatory.make_target()}/")
    expect(page.locator("#product-list")).to_contain_text("No data product yet")
    page.locator("#files").set_input_files([str(frame) for frame in frames])
    expect(page.locator("#product-list tbody tr")).to_have_count(4)
    expect(page.locator("#product-list tbody tr").first).to_contain_text("60 s")
    page.get_by_label("Choose all").check()
    expect(page.locator("#chosen")).to_have_text("4 data products chosen")
    page.get_by_role("combobox", name="Pipeline").select_option("Timelapse")
    page.get_by_role("button", name="Run", exact=True).click()
    row = page.locator("#processes tbody tr")
    expect(row).to_have_attribute("data-state", "succeeded")
    row.get_by_role("link", name="Outputs").click()
    expect(page.locator("video")).to_be_visible()


def test_the_film_plays_to_its_end(
    open_page: Open, observatory: Observatory, tmp_path: Path
) -> None:
    frames = {path.name: path.read_bytes() for path in synthesise_series(tmp_path, 4, (64, 80))}
    target = observatory.make_target()
    process = observatory.submit(target, "Timelapse", observatory.upload(target, frames))
    record = observatory.ended(process)
    assert record["state"] == "succeeded", record
    page = open_page(f"/dataproducts/data/group/{record['group']}/")
    ended = page.locator("video").evaluate(
        """async video => {
          video.loop = false;
          await video.play();
          await new Promise(resolve => video.addEventListener('ended', resolve));
          return [video.ended, video.error, video.videoWidth > 0];
        }"""
    )
    assert ended == [True, None, True]


def test_dropped_files_are_uploaded_each_by_itself(
    open_page: Open, observatory: Observatory
) -> None:
    page = open_page(f"/targets/{observatory.make_target()}/")
    page.evaluate(DROP, ["one.txt", "two.txt", HOSTILE_NAME])
    expect(page.locator("#product-list tbody tr")).to_have_count(3)
    assert set(products(page)) == {"one.txt", "two.txt", HOSTILE_NAME}
    expect(page).to_have_title(re.compile(r"^(\(\d+\) )?A star · Heliograph$"))


def test_an_upload_that_fails_says_why_and_can_be_tried_again(
    open_page: Open, observatory: Observatory
) -> None:
    page = open_page(f"/targets/{observatory.make_target()}/")
    page.route(
        "**/api/targets/*/dataproducts/",
        lambda route: route.fulfill(status=200, json={"detail": "No room."}),
    )
    page.evaluate(DROP, ["one.txt"])
    expect(page.locator("#uploads li")).to_contain_text("No room.")
    page.unroute("**/api/targets/*/dataproducts/")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("#product-list tbody tr")).to_have_count(1)


def test_a_range_is_chosen_with_shift(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(8))
    page = open_page(f"/targets/{target}/")
    page.wait_for_load_state("networkidle")  # the rows are drawn anew once all frames are known
    boxes = page.locator("#product-list tbody input")
    boxes.nth(1).click()
    boxes.nth(5).click(modifiers=["Shift"])
    expect(page.locator("#chosen")).to_have_text("5 data products chosen")
    boxes.nth(3).click()
    expect(page.locator("#chosen")).to_have_text("4 data products chosen")
    page.get_by_label("Filter the data products").fill("file 7")
    expect(page.locator("#product-list tbody tr:visible")).to_have_count(1)


def test_what_a_pipeline_would_refuse_is_said_before(
    open_page: Open, observatory: Observatory
) -> None:
    target = observatory.make_target()
    observatory.upload(target, {"notes.txt": b"x", "table.csv": b"y"})
    page = open_page(f"/targets/{target}/")
    run = page.get_by_role("button", name="Run", exact=True)
    page.get_by_role("combobox", name="Pipeline").select_option("Ticks")
    expect(page.locator("#run-problems")).to_contain_text("Choose the data products")
    expect(run).to_be_disabled()
    page.get_by_label("Choose all").check()
    expect(page.locator("#run-problems")).to_have_text("It does not take table.csv.")
    page.get_by_label("Choose table.csv").uncheck()
    expect(run).to_be_enabled()
    expect(page.get_by_label("Write what was counted into a file")).to_be_checked()


def test_a_process_is_followed_and_cancelled(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target()
    page = open_page(f"/targets/{target}/")
    expect(page.locator("#processes")).to_contain_text("Nothing has run on this target")
    products = observatory.upload(target, rows(1))
    observatory.submit(target, "Ticks", products, long=True)
    row = page.locator("#processes tbody tr")
    expect(row).to_contain_text("Counting")
    expect(row.locator("progress")).to_have_js_property("max", 1200)
    row.get_by_role("button", name="Cancel").click()
    expect(row).to_have_attribute("data-state", "cancelled")
    row.get_by_role("button", name="Delete").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#processes")).to_contain_text("Nothing has run on this target")


@pytest.mark.slow
def test_chosen_products_are_grouped_and_deleted(open_page: Open, observatory: Observatory) -> None:
    target = observatory.make_target()
    observatory.upload(target, rows(3))
    page = open_page(f"/targets/{target}/")
    page.get_by_label("Choose all").check()
    page.get_by_role("button", name="Group").click()
    page.locator("#group-dialog").get_by_label("Name").fill("First night")
    page.get_by_role("button", name="Group them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("First night")
    expect(page.locator(".piece")).to_have_count(3)
    page.goto(f"/targets/{target}/")
    page.get_by_label("Choose file 1.txt").check()
    page.locator("#delete-chosen").click()
    page.locator("#question").get_by_role("button", name="Delete").click()
    expect(page.locator("#product-list tbody tr")).to_have_count(2)
