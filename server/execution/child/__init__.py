"""One run's OS process as the server sees it: its messages, lines, resources and end."""
