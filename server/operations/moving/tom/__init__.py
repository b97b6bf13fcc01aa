"""Moving in: what a site of tom_education has is brought into an installation, once."""
