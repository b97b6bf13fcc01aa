"""What operators ask: whether the server lives and works."""
