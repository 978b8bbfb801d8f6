"""boltmod: hardware-efficient automatic modulation classification."""

__version__ = "0.1.0"
