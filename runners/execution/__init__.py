"""Running a pipeline in an OS process of its own: the pool, its template and the child's side."""
