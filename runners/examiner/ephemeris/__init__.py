"""Where the Sun, the Moon and a target stand in the sky of a site: `night` answers the server."""
