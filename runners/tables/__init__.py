"""Tables of measurements as observers have them: their text, their columns, their light curves.

Nothing here imports numpy, so that the server may; tables in FITS files are left to `runners.fits`.
"""
