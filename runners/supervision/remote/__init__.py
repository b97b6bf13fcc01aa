"""Runs on another machine than their server's: the agent there, and the connection between them."""
