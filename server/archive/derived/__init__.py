"""What is computed from stored files: metadata that was missing, and pictures that are kept."""
