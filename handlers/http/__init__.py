"""HTTP itself: requests read, access controlled, answers written, streamed and compressed."""
