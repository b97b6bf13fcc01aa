"""Sealed segments: stretches of a log as compressed files, and reading and searching them."""
