"""The web pages, a module for each, drawn on the server."""
