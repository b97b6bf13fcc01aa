"""Files in and out: uploads, downloads, zips and pictures."""
