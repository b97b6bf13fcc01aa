"""In the place of Django's settings: what `compat.settings` of `config.yml` has, and some more.

A run gets these values and no others of the configuration. What is not there is an error that names
the author's line; a secret is never there.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runners.pipeline.errors import not_available

#: The settings that have a value without any configuration: those of the TOM Toolkit and of
#: tom_education that pipelines read.
DEFAULTS: dict[str, Any] = {
    "DATA_PRODUCT_TYPES": {
        "photometry": ("photometry", "Photometry"),
        "fits_file": ("fits_file", "FITS File"),
        "spectroscopy": ("spectroscopy", "Spectroscopy"),
        "image_file": ("image_file", "Image File"),
        "timelapse": ("timelapse", "Timelapse"),
        "plot": ("plot", "Plot"),
    },
    "TARGET_TYPE": "SIDEREAL",
    "EXTRA_FIELDS": [],
    "TIME_ZONE": "UTC",
    "USE_TZ": True,
    "DEBUG": False,
}
#: What Django has and no run gets, and what to do instead.
ABSENT = {
    "SECRET_KEY": "secrets of the server are not given to runs",
    "DATABASES": "a run has no database, only its target and its files",
    "MEDIA_ROOT": "stored files are read as self.input_files, and outputs are returned",
    "MEDIA_URL": "files are served by the server; returned files get their URLs there",
    "STATIC_ROOT": "keep the files that a pipeline needs beside its module",
    "INSTALLED_APPS": "there is no Django",
    "MIDDLEWARE": "there is no Django",
    "CACHES": "there is no Django; a run has tmpdir for files of its own",
    "DRAMATIQ_BROKER": "the server queues and runs processes itself",
    "FACILITIES": "give a run what it needs by the environment (limits.environment)",
    "TOM_EDUCATION_PIPELINES": "pipelines are in config.yml under pipelines",
}
_ADD = "add it to config.yml under compat.settings"

_values: dict[str, Any] = {}


def configure(values: Mapping[str, Any], folder: str | None = None) -> None:
    """Take the settings of a run in place of those before; a test of a pipeline may do so too.

    `folder` is `BASE_DIR`, unless that is among them: the folder of `config.yml`.
    """
    _values.clear()
    if folder is not None:
        _values["BASE_DIR"] = Path(folder)
    _values.update(values)


def instead_of(name: str) -> str:
    """Return what to do about a setting that has no value."""
    return ABSENT.get(name, _ADD)


def __getattr__(name: str) -> Any:
    if name in _values:
        return _values[name]
    if name in DEFAULTS:
        return DEFAULTS[name]
    if name.isupper():
        raise not_available(f"settings.{name}", instead_of(name))
    raise AttributeError(f"settings has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *DEFAULTS, *_values})
