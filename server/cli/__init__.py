"""What the command line does besides running a server: one run in a terminal, and the demo."""
