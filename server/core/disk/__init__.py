"""The folders and files on this machine: locked, measured, held in reserve."""
