"""What `heliograph check` looks at; the list of all checks is in `server.cli.check`."""
