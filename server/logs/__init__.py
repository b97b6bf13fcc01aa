"""The logs: lines numbered, stored, kept in memory, and read by cursor."""
