"""A recording cut into windows: the band as it is, or the signals in it."""
