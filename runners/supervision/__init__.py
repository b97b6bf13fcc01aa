"""One OS process of a run as its parent supervises it, here or on another machine."""
