"""The configuration: `load` makes a frozen `Config` of every source, or says what is wrong.

Import from here; only the sections other than `Limits` are imported from `sections`.
"""

from server.config.config import Config, Setting, find_file, is_loopback, load, settings
from server.config.pipelines import PipelineEntry
from server.config.sections import Limits

__all__ = [
    "Config",
    "Limits",
    "PipelineEntry",
    "Setting",
    "find_file",
    "is_loopback",
    "load",
    "settings",
]
