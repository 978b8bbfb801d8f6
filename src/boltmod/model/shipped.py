"""The networks that come with the package, by name."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

DEFAULT = "field"
"""The one that is taken where none is named: it knows the field, and unknown."""

_FOLDER = Path(str(files("boltmod") / "networks"))


def names() -> tuple[str, ...]:
    """Names of the networks that come with the package."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.onnx")))


def path_of(name: str) -> Path:
    """The file of one of them."""
    return _FOLDER / f"{name}.onnx"


def find(path: Path) -> Path:
    """Return the file that a path names, or, where there is none, the network of that name."""
    return path_of(path.name) if str(path) in names() and not path.is_file() else path
