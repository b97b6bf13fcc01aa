"""The database driver. The only package that knows Motor and PyMongo."""
