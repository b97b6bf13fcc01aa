"""Backups of an installation, their restore, and giving back what nothing needs."""
