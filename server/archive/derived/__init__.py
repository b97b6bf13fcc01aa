"""What is computed from stored files: metadata that was missing, nights, kept pictures."""
