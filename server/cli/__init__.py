"""The command line besides the server itself: single runs in a terminal, and the demo."""
