"""Files of strangers on the command line: what is done with them in a process of its own.

A network that comes with boltmod, or lies in a run folder, is one's own and is read here. Any other
one is first read, and asked about one frame, within limits and in another process: what a stranger
has put into it ends that process, not this one. Archives are read there alone.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from boltmod.confined import Limits

LimitOption = Annotated[
    float | None,
    typer.Option(
        "--limit", min=1, help="Seconds that reading a stranger's file may take; 60 if not."
    ),
]


def limits_of(seconds: float | None) -> Limits:
    """What a stranger's file may cost, with the time that `--limit` gives."""
    from boltmod.confined import Limits

    return Limits() if seconds is None else Limits(seconds)


def is_own(model: Path) -> bool:
    """Whether a network comes with boltmod or lies in a run folder."""
    from boltmod.model import shipped
    from boltmod.run_folder import RunFolder

    found = shipped.find(model)
    files = RunFolder(found.parent)
    return found.parent == shipped.path_of("").parent or (
        files.recipe.is_file() and files.environment.is_file()
    )


def rehearse(model: Path, engine: str, limit: float | None) -> None:
    """Let a stranger's network label one frame in a process of its own.

    Raises:
        DataFormatError: It needs more time or memory than it may, or ended that process.
        BoltmodError: It cannot be read or run.
    """
    if model.is_file() and not is_own(model):
        from boltmod.untrusted import digest_of

        _rehearsed(model, digest_of(model), engine, limit)


@cache
def _rehearsed(model: Path, digest: str, engine: str, limit: float | None) -> None:
    """The same file is not rehearsed twice by a process."""
    from boltmod.confined import confined

    confined(
        "boltmod.runtime.session:rehearse", str(model), engine,
        about=model, limits=limits_of(limit),
    )  # fmt: skip
