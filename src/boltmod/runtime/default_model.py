"""The network of `boltmod classify`: it knows the 24 classes in the field, and unknown."""

from __future__ import annotations

from pathlib import Path

from boltmod.model import shipped


def default_model() -> Path:
    """The file of the network that recipes/field.toml makes."""
    return shipped.path_of("field")
