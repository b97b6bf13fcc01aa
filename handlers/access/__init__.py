"""Who calls, and what callers may do: rules and roles. Knows headers, not handlers."""
