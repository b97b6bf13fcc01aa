"""What is computed from what is stored: metadata that was missing, nights, kept pictures."""
