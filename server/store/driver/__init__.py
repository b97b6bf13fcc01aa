"""The database driver: the only package that knows Motor and PyMongo.

`connection` connects, `collection` offers what the store asks of a database, and `errors` turns the
driver's errors into the domain's.
"""
