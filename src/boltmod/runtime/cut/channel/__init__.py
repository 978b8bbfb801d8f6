"""From a whole band to one signal: where it is, how fast, and its samples alone."""
