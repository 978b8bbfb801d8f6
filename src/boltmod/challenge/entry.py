"""A leaderboard's entries, which whoever only looks at them reads without torch."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from boltmod.cost.published import Result
from boltmod.errors import DataFormatError
from boltmod.files import refuse_existing, write_json

SUFFIX = ".entry.json"
KIND = "boltmod leaderboard entry"


def drawn_seed() -> int:
    """A seed that nobody could know beforehand."""
    return secrets.randbelow(2**31 - 2)


def write(path: Path, entry: dict[str, Any], force: bool = False) -> None:
    """Write an entry's file, whole or not at all.

    Raises:
        ConfigError: It exists, and shall not be written over.
    """
    refuse_existing(path, force)
    write_json(path, entry)


def read(path: Path) -> Result:
    """Read the result of an entry's file.

    Raises:
        DataFormatError: It is none.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != KIND:
            raise ValueError(document["kind"])
        return Result(**document["result"])
    except (OSError, ValueError, KeyError, TypeError):
        raise DataFormatError(
            f"{path} must be what `boltmod leaderboard submit` writes, and is not: submit again"
        ) from None
