"""Collections by which the servers on one database know of each other."""
