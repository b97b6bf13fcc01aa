"""What is pushed: sources of frames, and the feeds that send each frame to all its viewers."""
