"""Who may do what: callers, their roles, and what they prove themselves with."""
