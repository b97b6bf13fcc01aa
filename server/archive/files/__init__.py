"""Files of data products: what they are called, and what is found in them."""
