"""axe-core, installed with npm when a test needs it: finds what makes a page inaccessible."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page

NPM = shutil.which("npm")
INSTALL_SECONDS = 50


def fetch_axe(folder: Path) -> str:
    """Return the source of axe-core; skip the test, with the reason, where it is unavailable."""
    if NPM is None:
        pytest.skip("axe-core cannot be installed: there is no npm on the PATH")
    install = [NPM, "install", "--no-save", "--no-audit", "--no-fund", "axe-core@4"]
    try:
        subprocess.run(
            [*install, "--prefix", str(folder)],
            check=True,
            capture_output=True,
            timeout=INSTALL_SECONDS,
            text=True,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"axe-core cannot be installed: npm took more than {INSTALL_SECONDS} s")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"axe-core cannot be installed: {error.stderr.strip()[-300:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def violations(page: Page, axe: str) -> list[str]:
    """Return what axe-core finds wrong with a page, one line for each."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(
        """async () => (await axe.run()).violations.flatMap(rule => rule.nodes.map(
          node => `${rule.id}: ${node.target.join(' ')}: ${node.failureSummary}`))"""
    )
    return found
