"""How a page shows a data product: as a video, an image, a preview, a table, text or a file."""

from __future__ import annotations

from typing import Any

VIDEO_TYPES = ("video/webm", "video/mp4")
IMAGE_TYPES = ("image/gif", "image/png", "image/jpeg")
#: Besides FITS images, the server draws previews of these.
PREVIEWED_SUFFIXES = (".png", ".jpg", ".jpeg")
#: These are shown as tables if they can be, and the texts after them if they hold a light curve.
TABLE_SUFFIXES = (".csv", ".tsv", ".tbl", ".ecsv", ".ipac", ".vot", ".xls", ".xlsx")
PERHAPS_TABLES = (".txt", ".dat", ".json", ".psx", ".xml", ".lc", ".mrt", ".cat")
TEXT_SUFFIXES = (*TABLE_SUFFIXES, *PERHAPS_TABLES, ".log", ".md", ".yml")


def has_preview(product: dict[str, Any]) -> bool:
    """Return whether the server can draw a preview of this data product."""
    if product["fits"]:
        problem = product["fits"].get("problem") or product.get("problem")
        return bool(product["fits"]["width"]) and not problem
    return bool(product["name"].lower().endswith(PREVIEWED_SUFFIXES))


def table_kind(product: dict[str, Any]) -> str:
    """Return how sure it is that a text or FITS file is a table: table, perhaps or none."""
    name = product["name"].lower()
    if product["fits"] or name.endswith(TABLE_SUFFIXES):
        return "table"
    return "perhaps" if name.endswith(PERHAPS_TABLES) else "none"


def display_kind(product: dict[str, Any]) -> str:
    """Return how to show a data product: video, image, preview, table, text or file.

    A FITS file without an image is taken for a table.
    """
    if product["content_type"] in VIDEO_TYPES:
        return "video"
    if product["content_type"] in IMAGE_TYPES:
        return "image"
    if has_preview(product):
        return "preview"
    if product["fits"]:
        return "table"
    return "text" if product["name"].lower().endswith(TEXT_SUFFIXES) else "file"
