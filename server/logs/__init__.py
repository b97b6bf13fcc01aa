"""The logs: lines are numbered, stored, cached, and read by cursor."""
