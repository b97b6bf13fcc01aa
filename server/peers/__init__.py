"""The other servers on the same database: heartbeats, and what they have changed."""
