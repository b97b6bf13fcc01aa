"""Measurements, each a command that prints ratios against a floor of the same run."""
