"""Writing files whole or not at all: beside their place first, then there in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from boltmod.errors import ConfigError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a name beside `path` to write to; what lies there at the end takes `path`'s place.

    If the body fails, `path` stays as it was and nothing is left beside it.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all, making its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, document: Any) -> None:
    """Write a document as indented JSON, whole or not at all."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")


def check_target(path: Path, suffixes: Sequence[str], what: str = "output") -> None:
    """Refuse a file name that nothing can be written to, before anything is worked out.

    Args:
        path: Where the file shall be.
        suffixes: The endings that there is a way to write.
        what: What the file is, for the message.

    Raises:
        ConfigError: The ending is none of them, or the folder does not exist.
    """
    if path.suffix not in suffixes:
        raise ConfigError(f"{what} must end in {', '.join(suffixes)}, not {path.name!r}: rename it")
    if not path.parent.is_dir():
        raise ConfigError(f"{what} must lie in a folder that exists, not {path.parent}: make it")
