"""What callers prove themselves with, as it is stored: hashes and digests, never secrets."""
