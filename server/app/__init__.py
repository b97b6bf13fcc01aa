"""The composition root: builds every part, and starts and stops them in order."""
