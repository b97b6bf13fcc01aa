"""What links to one process may show: the handlers that allow it say which process they show."""
