"""The API described: OpenAPI 3.1 of every route, and a page that shows it."""
