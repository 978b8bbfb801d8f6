"""The program on the processor's vectors: a generic kernel in C that walks its tables."""
