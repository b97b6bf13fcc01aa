"""Files: uploads, downloads, zips and previews."""
