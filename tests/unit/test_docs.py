"""What is written about the configuration is what the code does: every key, every default."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from typing import Any

import yaml

from server.config import Config, load, settings

ROOT = Path(__file__).parents[2]


def flat(tree: dict[str, Any], known: set[str]) -> dict[str, Any]:
    """Dotted keys, sections being what is no key itself."""
    pairs: dict[str, Any] = {}
    for name, value in tree.items():
        inner = {} if name in known else value
        pairs |= {f"{name}.{key}": each for key, each in inner.items()} or {name: value}
    return pairs


def test_the_shipped_file_has_every_key_in_order_with_its_default() -> None:
    expected = {setting.key: setting.default for setting in settings()}
    written = yaml.safe_load((ROOT / "config.yml").read_text(encoding="utf-8"))
    shown = flat(written, set(expected))
    assert shown == expected
    assert list(shown) == list(expected)


def test_the_shipped_file_changes_nothing() -> None:
    assert load(ROOT / "config.yml", {}, {}) == Config(folder=ROOT)


def test_every_key_of_the_shipped_file_has_a_comment() -> None:
    lines = (ROOT / "config.yml").read_text(encoding="utf-8").splitlines()
    sections = {setting.key.partition(".")[0] for setting in settings() if "." in setting.key}
    for before, line in itertools.pairwise(lines):
        key = re.match(r"\s*(\w+):", line)
        if key and key[1] not in sections:
            assert before.lstrip().startswith("#"), f"{line} is without a comment"


def test_the_documentation_lists_every_key_in_order_as_the_code_has_it() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == [
        f"| `{each.key}` | `{each.default_text}` | {each.allowed} | {each.meaning} |"
        for each in settings()
    ]


def test_the_variables_of_all_keys_differ() -> None:
    variables = [setting.variable for setting in settings()]
    assert len(set(variables)) == len(variables)
