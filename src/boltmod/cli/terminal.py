"""What every command shares: where its words go, and how it ends."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable
from math import isfinite
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from boltmod.untrusted import visible

_PLAIN_WIDTH = 140
"""Columns of a table that goes into a file or a pipe."""

LARGEST_SEED = 2**63 - 1
"""What a generator of random numbers takes."""


def _open_closed_streams() -> None:
    """Give a standard stream that was closed its place again: it is empty, or leads nowhere.

    Else the next file that is opened would take the place, and what is printed would go there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115


_open_closed_streams()


class _Console(Console):
    """A console that shows what a terminal would obey: names in files are anybody's."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            shown = segment.text if segment.control else visible(segment.text)
            yield segment if shown == segment.text else Segment(shown, segment.style)


stdout = _Console(highlight=False, width=None if sys.stdout.isatty() else _PLAIN_WIDTH)
stderr = _Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _PLAIN_WIDTH)

ForceOption = Annotated[bool, typer.Option("--force", help="Replace what is there.")]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to standard output.")
]


def emit(document: Any, as_json: bool, show: Callable[[Console], None]) -> None:
    """Print a command's result: the JSON document, or what `show` draws on the console."""
    if as_json:
        sys.stdout.write(json_text(document) + "\n")
    else:
        show(stdout)


def json_text(document: Any) -> str:
    """A document as JSON; numbers that JSON has no form for are null."""
    try:
        return json.dumps(document, indent=2, allow_nan=False, default=_plain)
    except ValueError:
        plain = json.loads(json.dumps(document, default=_plain))
        return json.dumps(_finite(plain), indent=2, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
