"""What callers prove themselves with, as it is stored: hashes, never secrets."""
