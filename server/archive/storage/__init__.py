"""The bytes of data products, in a local folder or anywhere that fsspec reaches."""

from server.archive.storage.file_storage import (
    AT_ONCE,
    FileStorage,
    LocalFile,
    Writing,
)
from server.archive.storage.local import PARTIAL_BYTES, in_thread
from server.archive.storage.reading import PIECE_BYTES, Content

__all__ = [
    "AT_ONCE",
    "PARTIAL_BYTES",
    "PIECE_BYTES",
    "Content",
    "FileStorage",
    "LocalFile",
    "Writing",
    "in_thread",
]
