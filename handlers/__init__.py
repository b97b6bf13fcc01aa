"""HTTP and websocket handlers: each reads its input, makes one call and writes the answer."""
