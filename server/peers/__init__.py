"""The other servers on the same database: whether they are alive, and what they have changed."""
