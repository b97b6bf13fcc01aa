"""The collections of who is let in: named tokens, and sessions of people."""
