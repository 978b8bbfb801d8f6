"""The recipes that come with boltmod, by name."""

from __future__ import annotations

import difflib
from pathlib import Path

import boltmod
from boltmod.errors import ConfigError

_PACKAGE = Path(boltmod.__file__).parent


def folder() -> Path:
    """Where they lie: in the package, or beside the source in a checkout."""
    inside = _PACKAGE / "recipes"
    return inside if inside.is_dir() else _PACKAGE.parents[1] / "recipes"


def names() -> list[str]:
    """What there is."""
    return sorted(each.stem for each in folder().glob("*.toml"))


def path_of(name: str) -> Path:
    """A recipe's file.

    Raises:
        ConfigError: There is none of that name.
    """
    path = folder() / f"{name}.toml"
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"; did you mean {near[0]}?" if near else ": look with `boltmod recipes list`"
        raise ConfigError(f"recipe must be one of {', '.join(names())}, not {name!r}{hint}")
    return path


def found(recipe: Path) -> Path:
    """What somebody means by a recipe: a file, else one of these by its name."""
    if recipe.suffix or recipe.exists() or len(recipe.parts) > 1:
        return recipe
    return path_of(recipe.name)


def about(path: Path) -> str:
    """What a recipe says of itself: the comment that it begins with, in one line."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.lstrip("# "))
    return " ".join(lines)
