"""Collections of the archive: targets, data products, groups, light curves and the journal."""
