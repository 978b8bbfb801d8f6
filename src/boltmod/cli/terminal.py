"""What every command shares: where its words go, and how it ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

_PLAIN_WIDTH = 140
"""Columns of a table that goes into a file or a pipe."""

stdout = Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
stderr = Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to standard output.")
]


def emit(document: Any, as_json: bool, show: Callable[[Console], None]) -> None:
    """Print a command's result: the JSON document, or what `show` draws on the console."""
    if as_json:
        sys.stdout.write(json.dumps(document, indent=2, allow_nan=False, default=_plain) + "\n")
    else:
        show(stdout)


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
