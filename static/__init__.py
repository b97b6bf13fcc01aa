"""The web pages' style and scripts: a package, so that a wheel carries and Python finds them."""
