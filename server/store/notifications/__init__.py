"""What others are to be told, until they have been told."""
