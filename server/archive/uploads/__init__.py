"""Uploads: their files come piece by piece, and become products all together."""

from server.archive.uploads.upload import Upload, UploadLimits

__all__ = ["Upload", "UploadLimits"]
