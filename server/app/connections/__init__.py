"""Connections of clients: how many there may be, how long they may say nothing, and HTTP/1.1."""
