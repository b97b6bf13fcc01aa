"""Image processing for films and previews: levels, stretches, scaling, cosmic rays, alignment."""
