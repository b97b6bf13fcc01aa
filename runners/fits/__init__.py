"""Reading FITS files: images, headers, dates and metadata."""

_PLAIN = (".fits", ".fit", ".fts")
#: The endings of names of FITS files: plain, with compressed tiles, and packed as a whole.
FITS_SUFFIXES = (
    *_PLAIN,
    ".fz",
    *(f"{plain}{packed}" for packed in (".gz", ".bz2", ".Z") for plain in _PLAIN),
)
