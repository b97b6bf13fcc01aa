"""The pipeline `AstroSource`: light curves of variable stars by the package astrosource."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from runners.astrosource.pipeline import AstroSource

__all__ = ["AstroSource"]


def __getattr__(name: str) -> Any:
    """Import `AstroSource` on first use, so that naming it loads neither numpy nor astropy."""
    if name in __all__:
        return getattr(import_module("runners.astrosource.pipeline"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
