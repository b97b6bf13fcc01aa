"""Reading FITS files: images, headers, dates and metadata."""

#: The endings of names of FITS files: plain, with compressed tiles, and packed as a whole.
FITS_SUFFIXES = tuple(
    f"{kind}{packed}"
    for packed in ("", ".gz", ".bz2", ".Z", ".xz")
    for kind in (".fits", ".fit", ".fts", ".fz")
)
