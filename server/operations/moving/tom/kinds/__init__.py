"""Each kind of record of an old site: read, made what it is here, and stored batch by batch."""
