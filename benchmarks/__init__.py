"""Measurements, each a command that prints ratios to a floor measured in the same run."""
