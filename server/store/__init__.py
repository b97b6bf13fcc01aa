"""The store: everything that must outlive the server but the bytes of files, in MongoDB.

`store.py` opens all collections of a database. Each has a module of its own in `archive`,
`processes` or `peers`, or is `counters.py`. `driver` talks to the database and `engine` runs the
embedded one. Nothing here knows what is done with the records.
"""

from server.store.store import Store

__all__ = ["Store"]
