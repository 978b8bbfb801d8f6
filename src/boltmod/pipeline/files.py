"""Writing the run folder's files whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    """Write a text file beside its place, then put it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_json(path: Path, document: Any) -> None:
    """Write a document as indented JSON, whole or not at all."""
    write_text(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
