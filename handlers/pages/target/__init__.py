"""The page of a target: its results, processes and data products."""
