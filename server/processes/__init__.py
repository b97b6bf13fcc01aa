"""The processes: submit, find, cancel, rerun and delete, and the one writer of their records."""
