"""Screenshots of every page: `python -m tests.browser.support.screenshots FOLDER`.

At three widths, by day and at night, of a server that it starts and fills.
"""

from __future__ import annotations

import math
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from runners.synthetic import synthesise_series
from tests.browser.conftest import CHROMIUM, FLAGS
from tests.browser.support.observatory import Observatory

WINDOWS = ((360, 740), (1280, 860), (2560, 1400))
SETTLE_MS = 900
#: A pulsating star, measured through two filters.
CURVE = "MJD,magnitude,error,filter\n" + "".join(
    f"{58545 + n / 7.3:.4f},{11 + n % 2 / 2 + 0.4 * math.sin(n * 1.7):.3f},0.02,{'VB'[n % 2]}\n"
    for n in range(200)
)


def main() -> None:
    """Fill a folder with screenshots."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as data:
        observatory = Observatory(Path(data))
        observatory.start()
        try:
            take_all(folder, observatory, fill(observatory, Path(data) / "frames"))
        finally:
            observatory.stop()


def fill(observatory: Observatory, frames: Path) -> dict[str, str]:
    """Make targets with something on them; return the pages to take, by name."""
    empty = observatory.make_target("AF Velorum")
    target = observatory.make_target("Messier 13")
    files = {path.name: path.read_bytes() for path in synthesise_series(frames, 12)}
    texts = {"night-log.txt": b"Seeing 1.2 arcsec\n" * 20, "curve.csv": CURVE.encode()}
    products = observatory.upload(target, files | texts)
    group = observatory.call("POST", "/api/groups/", {"name": "Best", "products": products[-5:]})
    film = observatory.ended(observatory.submit(target, "Timelapse", products[:-2]))
    failed = observatory.submit(target, "Hostile", products[:1])
    counted = observatory.ended(observatory.submit(target, "Ticks", products[:3]))
    flood = observatory.submit(target, "Flood", products[:1])
    observatory.ended(flood)
    stages = observatory.submit(target, "Stages", products[:3])
    observatory.ended(stages)
    running = observatory.submit(target, "Ticks", products[:3], long=True)
    time.sleep(2)
    return {
        "targets": "/",
        "empty-target": f"/targets/{empty}/",
        "target": f"/targets/{target}/",
        "running": f"/pipeline/{running}",
        "failed": f"/pipeline/{failed}",
        "stages": f"/pipeline/{stages}#L40-L43",
        "flood": f"/pipeline/{flood}#L15000-L15004",
        "film": f"/processes/{film['pk']}",
        "compared": f"/processes/{film['pk']}/compare/{counted['pk']}/",
        "film-group": f"/dataproducts/data/group/{film['group']}/",
        "table-group": f"/dataproducts/data/group/{counted['group']}/",
        "group": group["url"],
        "frame": f"/dataproducts/{products[0]}/?stretch=zscale",
        "curve": f"/dataproducts/{products[-1]}/",
        "receipt": f"/processes/{film['pk']}/receipt/",
        "missing": "/nowhere",
        "login": "/login",
    }


def take_all(folder: Path, observatory: Observatory, pages: dict[str, str]) -> None:
    """Take one screenshot of each page in each window and scheme."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for name, picture in pictures(browser, observatory, pages):
            (folder / f"{name}.png").write_bytes(picture)
            print(folder / f"{name}.png")
        browser.close()


def pictures(
    browser: Browser, observatory: Observatory, pages: dict[str, str]
) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the PNG of each screenshot."""
    for width, height in WINDOWS:
        for scheme in ("light", "dark"):
            context = browser.new_context(
                base_url=observatory.url,
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            for name, path in pages.items():
                page.goto(path)
                page.wait_for_timeout(SETTLE_MS)
                for plot in page.locator(".plot").all():
                    plot.and_(page.locator('[data-state="drawn"]')).wait_for()
                yield f"{name}-{width}-{scheme}", page.screenshot()
            context.close()


if __name__ == "__main__":
    main()
