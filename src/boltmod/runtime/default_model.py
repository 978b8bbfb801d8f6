"""The network that comes with the package: it knows the 24 classes in the field, and unknown."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

NAME = "field.onnx"


def default_model() -> Path:
    """The file of the network that recipes/field.toml makes."""
    return Path(str(files("boltmod") / "networks" / NAME))
