"""What is written in C: compiled once, with the package or at first use, and loaded."""
