"""Moving up: a data folder is copied to a MongoDB and a storage anywhere, and compared there."""
