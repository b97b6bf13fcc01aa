"""Targets, data products, groups and light curves, their records and their files."""
