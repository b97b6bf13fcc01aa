"""The sections of the configuration: every key with its default, its rule and its meaning.

`config` puts them together; the kinds of rules are in `rules`.
"""

from server.config.sections.front import Tls
from server.config.sections.log import Log
from server.config.sections.network import Http, Websockets
from server.config.sections.runs import Compat, Leases, Limits, Pool, Queue, Runner, Timelapse
from server.config.sections.site import Site
from server.config.sections.storage import Cache, Files, MongoDB, Uploads
from server.config.sections.upkeep import Mail, Retention

__all__ = [
    "Cache",
    "Compat",
    "Files",
    "Http",
    "Leases",
    "Limits",
    "Log",
    "Mail",
    "MongoDB",
    "Pool",
    "Queue",
    "Retention",
    "Runner",
    "Site",
    "Timelapse",
    "Tls",
    "Uploads",
    "Websockets",
]
