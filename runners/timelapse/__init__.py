"""The pipeline `Timelapse`: the frames of a target as a film."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runners.timelapse.pipeline import Timelapse

__all__ = ["Timelapse"]


def __getattr__(name: str) -> Any:
    """Import `Timelapse` on first use, so that naming it loads neither numpy nor astropy."""
    if name in __all__:
        return getattr(import_module("runners.timelapse.pipeline"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
