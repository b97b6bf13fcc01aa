"""The viewer of FITS images, compared with numpy that reads and bins the same windows itself.

First a plain frame of 4,096 x 4,096 numbers of 16 bits, then the same one compressed: its
description, the coarse picture that is shown first, a tile in between and one at full resolution,
each asked for by HTTP from a server that has not seen the file before, and then again. With
Playwright and Chromium also the page itself: the first view, and pictures a second while panning.
"""

from __future__ import annotations

import io
import shutil
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from astropy.io import fits

from benchmarks.tables import against, arguments, head, row
from tests.browser.support.observatory import Observatory

SIDE, TILE = 4096, 512
#: What is asked for, by name: the query, and the rows, columns and binning that it means.
WINDOWS = {
    "coarse picture, binned by 8": ("bin=8", slice(None), slice(None), 8),
    "tile, binned by 4": ("bin=4&width=2048&height=2048", slice(2048), slice(2048), 4),
    "tile, full resolution": (
        f"x=1024&y=1024&width={TILE}&height={TILE}",
        slice(1024, 1024 + TILE),
        slice(1024, 1024 + TILE),
        1,
    ),
}
#: Frames drawn while the mouse drags the picture back and forth for two seconds.
PAN = """() => new Promise(done => {
  const screen = document.querySelector('.screen'), box = screen.getBoundingClientRect();
  const send = (kind, at) => screen.dispatchEvent(new PointerEvent(kind, {
    pointerId: 1, pointerType: 'mouse', button: 0, buttons: 1, bubbles: true,
    clientX: box.left + box.width / 2 + at, clientY: box.top + box.height / 2 + at / 2}));
  screen.setPointerCapture = () => {};
  send('pointerdown', 0);
  const began = performance.now();
  let frames = 0;
  requestAnimationFrame(function step() {
    const passed = performance.now() - began;
    if (passed > 2000) { send('pointerup', 0); done(frames / passed * 1000); return; }
    frames++;
    send('pointermove', 300 * Math.sin(passed / 300));
    requestAnimationFrame(step);
  });
})"""


def main() -> None:
    """Measure, and print the tables."""
    options = arguments(__doc__, rounds=5).parse_args()
    with TemporaryDirectory() as folder:
        observatory = Observatory(Path(folder) / "data")
        observatory.start()
        try:
            files = {"plain": written(Path(folder), packed=False)}
            files["compressed"] = written(Path(folder), packed=True)
            for name, path in files.items():
                measure(observatory, name, path, options.rounds)
            browse(observatory, files["plain"], options.rounds)
        finally:
            observatory.stop()


def written(folder: Path, *, packed: bool) -> Path:
    """Write a frame with noise and return its path."""
    pixels = np.random.default_rng(1).normal(1000, 20, (SIDE, SIDE)).astype("u2")
    path = folder / ("frame.fits.fz" if packed else "frame.fits")
    hdus = [fits.PrimaryHDU(), fits.CompImageHDU(pixels)] if packed else [fits.PrimaryHDU(pixels)]
    fits.HDUList(hdus).writeto(path)
    return path


def upload(observatory: Observatory, path: Path, number: int) -> int:
    """Upload a frame whose content nobody has seen yet, and return its PK."""
    with fits.open(path, disable_image_compression=True) as hdus:
        hdus[-1].header["ROUND"] = number
        stored = io.BytesIO()
        hdus.writeto(stored)
        content = stored.getvalue()
    target = observatory.make_target()
    return observatory.upload(target, {path.name: content})[0]


def measure(observatory: Observatory, kind: str, path: Path, rounds: int) -> None:
    """Print the table of one kind of file, in milliseconds."""
    head(f"{kind}, {SIDE} x {SIDE}", "numpy, ms", "first, ms", "ratio")
    frames = [upload(observatory, path, number) for number in range(rounds + 1)]
    warm = frames.pop()
    took(lambda: fetched(observatory, f"/api/dataproducts/{warm}/image/"))
    described = [
        took(partial(fetched, observatory, f"/api/dataproducts/{pk}/image/")) for pk in frames
    ]
    floors = [took(lambda: statistics_of(path)) for _ in frames]
    against("description", floors, described)
    again: dict[str, list[float]] = {}
    for name, (query, rows, columns, step) in WINDOWS.items():
        floors = [took(partial(window_of, path, rows, columns, step)) for _ in frames]
        urls = [f"/dataproducts/{pk}/pixels?{query}" for pk in frames]
        against(name, floors, [took(partial(fetched, observatory, url)) for url in urls])
        again[name] = [took(partial(fetched, observatory, url)) for url in urls]
    for name, figures in again.items():
        row(f"{name}, again", "", sorted(figures)[len(figures) // 2])


def took(work: Callable[[], Any]) -> float:
    """Return how many milliseconds some work takes."""
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def fetched(observatory: Observatory, path: str) -> bytes:
    """Return the body of an answer."""
    with urllib.request.urlopen(observatory.url + path, timeout=60) as answer:
        body: bytes = answer.read()
        return body


def statistics_of(path: Path) -> None:
    """Read a frame with astropy, and find what a description has with numpy."""
    pixels = fits.getdata(path)
    np.percentile(pixels, (0.1, 1, 50, 99, 99.9))
    pixels.min(), pixels.max(), pixels.std()
    np.histogram(pixels, 256)


def window_of(path: Path, rows: slice, columns: slice, step: int) -> None:
    """Read a window with astropy and bin it with numpy."""
    with fits.open(path) as hdus:
        window = hdus[-1].section[rows, columns]
        height, width = window.shape
        blocks = window.reshape(height // step, step, width // step, step)
        blocks.mean(axis=(1, 3), dtype="f4").tobytes()


def browse(observatory: Observatory, path: Path, rounds: int) -> None:
    """Print how fast the page is, if there is a browser."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        print("\nPlaywright is not installed: the page is not measured")
        return
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    head("the page, 1280 x 800", "bar", "median")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        views, rates = [], []
        for number in range(rounds):
            pk = upload(observatory, path, 100 + number)
            began = time.perf_counter()
            page.goto(f"{observatory.url}/dataproducts/{pk}/", wait_until="commit")
            page.wait_for_selector(".screen[data-shown]")
            views.append((time.perf_counter() - began) * 1000)
            page.wait_for_selector(".screen[data-shown=fine]")
            page.keyboard.press("1")
            rates.append(float(page.evaluate(PAN)))
        browser.close()
    row("first view, ms", "1000", sorted(views)[rounds // 2])
    row("pictures a second while panning", "30", sorted(rates)[rounds // 2])


if __name__ == "__main__":
    main()
