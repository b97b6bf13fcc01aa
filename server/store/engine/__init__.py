"""The embedded database engine: a child process that speaks the MongoDB protocol over SQLite."""
