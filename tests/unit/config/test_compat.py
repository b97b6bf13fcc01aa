"""The settings that runs get in the place of Django's: plain values, and no secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.config import Config, load
from server.core.errors import StartError
from server.processes.bounds import bounds_of, compat_settings


def configured(folder: Path, settings: str) -> Config:
    path = folder / "config.yml"
    path.write_text(f"compat:\n  settings: {settings}\n", encoding="utf-8")
    return load(path, {}, {})


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("{}", {}),
        ("null", {}),
        (
            "{SITE: {name: Faulkes, height: 3055.5}}",
            {"SITE": {"name": "Faulkes", "height": 3055.5}},
        ),
        ("{TYPES: [a, 1, true, null]}", {"TYPES": ["a", 1, True, None]}),
    ],
)
def test_plain_values_are_taken(settings: str, expected: object, tmp_path: Path) -> None:
    assert configured(tmp_path, settings).compat.settings == expected


@pytest.mark.parametrize(
    "settings",
    [
        "{SECRET_KEY: hunter2}",
        "{DATABASES: {default: {PASSWORD: hunter2}}}",
        "{FACILITIES: {LCO: {portal_url: 'https://x.example', api_key: hunter2}}}",
        "{BROKERS: [{a: [{Token: hunter2}]}]}",
        "{BROKER_URL: 'redis://localhost'}",
        "{CACHE: 'redis://user:hunter2@localhost/0'}",
    ],
)
def test_what_looks_like_a_secret_stops_the_start_and_is_not_shown(
    settings: str, tmp_path: Path
) -> None:
    with pytest.raises(StartError, match=r"settings without secrets") as caught:
        configured(tmp_path, settings)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[1]", "a mapping of names to values"),
        ("{site: 1}", "a name in capitals"),
        ("{7: 1}", "a name in capitals"),
        ("{A: 2020-01-01}", "texts, numbers, true, false, null"),
        ("{A: .nan}", "texts, numbers, true, false, null"),
        ("{A: {1: x}}", "texts, numbers, true, false, null"),
        ("{A: " + "[" * 9 + "]" * 9 + "}", "texts, numbers, true, false, null"),
        ("{A: " + "x" * 66_000 + "}", "65,536 characters"),
    ],
)
def test_what_no_run_could_read_stops_the_start(settings: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=said):
        configured(tmp_path, settings)


def test_runs_and_descriptions_get_these_settings_and_nothing_else(tmp_path: Path) -> None:
    config = configured(tmp_path, "{SITE: x}")
    assert compat_settings(config).keys() == {"SITE", "TOM_EDUCATION_TIMELAPSE_SETTINGS"}
    assert bounds_of(config, "Dummy").compat == compat_settings(config)
    given = compat_settings(config)["TOM_EDUCATION_TIMELAPSE_SETTINGS"]
    assert (given["format"], given["fps"], given["size"]) == ("webm", 10, 500)
