"""What keeps a server's data sound: the checks of a start, the schema, room on a full disk."""
