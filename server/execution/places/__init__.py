"""Where runs have their processes: on this machine, or on the machines of a Dask cluster."""
