"""Pictures of frames: brightness, stretches, scaling, cosmic rays and alignment."""
