"""Reading FITS files: images, headers, dates and metadata."""
