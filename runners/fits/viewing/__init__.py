"""What a viewer shows of a FITS file: its HDUs, windows of pixels, statistics and coordinates."""
