"""What the server knows of itself: its figures, and whether its event loop is held."""
