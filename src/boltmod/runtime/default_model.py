"""The network that comes with the package: it knows the 24 classes in the field, and unknown."""

from __future__ import annotations

from importlib.resources import as_file, files

from boltmod.model.onnx_file import Model, load

NAME = "field.onnx"


def default_model() -> Model:
    """The network of recipes/field.toml, as it was trained for this version."""
    with as_file(files("boltmod") / "networks" / NAME) as path:
        return load(path)
