"""Collections by which servers on one database know each other."""
