"""What pipelines of tom_education read in the place of Django's settings."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runners.compat import settings
from runners.pipeline.errors import AsyncError


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    settings.configure({})
    yield
    settings.configure({})


def test_the_types_of_the_toolkit_are_there_without_any_configuration() -> None:
    assert settings.DATA_PRODUCT_TYPES["photometry"][0] == "photometry"
    assert settings.DATA_PRODUCT_TYPES["plot"] == ("plot", "Plot")


def test_a_configured_value_goes_before_one_that_is_always_there() -> None:
    settings.configure({"TIME_ZONE": "Pacific/Honolulu", "MINE": [1]}, "/srv/pipelines")
    assert (settings.TIME_ZONE, settings.MINE) == ("Pacific/Honolulu", [1])
    assert Path("/srv/pipelines/dark.fits") == settings.BASE_DIR / "dark.fits"
    settings.configure({"OTHER": 1})
    assert not hasattr(settings, "MINE")
    assert not hasattr(settings, "BASE_DIR")


def test_what_is_not_there_names_the_line_that_asks_and_what_to_do() -> None:
    with pytest.raises(AsyncError) as caught:
        _ = settings.OBSERVER
    line = caught.traceback[0].lineno + 1
    assert str(caught.value) == (
        f"settings.OBSERVER is not available here (test_settings.py, line {line}):"
        " add it to config.yml under compat.settings"
    )


@pytest.mark.parametrize("name", ["SECRET_KEY", "DATABASES", "MEDIA_ROOT", "FACILITIES"])
def test_what_no_run_gets_says_why(name: str) -> None:
    with pytest.raises(AsyncError, match=rf"^settings\.{name} is not .*\(test_settings\.py, line"):
        getattr(settings, name)


def test_a_default_is_taken_as_with_django() -> None:
    assert getattr(settings, "TOM_EDUCATION_TIMELAPSE_SETTINGS", {}) == {}
    assert not hasattr(settings, "DRAMATIQ_BROKER")
    with pytest.raises(ImportError):
        from runners.compat.settings import OBSERVER  # noqa: F401
