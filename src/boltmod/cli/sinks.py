"""`--sink`: who else is told of each signal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from boltmod.cli.terminal import stderr

if TYPE_CHECKING:
    from boltmod.runtime.sink.outlet import Outlets

SinkOption = Annotated[
    list[str] | None,
    typer.Option(
        "--sink",
        help="Tell mqtt://HOST/TOPIC, udp://HOST:PORT or http://HOST/PATH of each signal, one JSON "
        "object when it begins and one when it ends; may be repeated.",
    ),
]


@contextmanager
def opened(addresses: Sequence[str]) -> Iterator[Outlets]:
    """The outlets at some addresses; what they did not take is said at the end."""
    from boltmod.runtime.sink.outlet import Outlets

    outlets = Outlets(addresses)
    try:
        with outlets:
            yield outlets
    finally:
        for loss in outlets.losses:
            stderr.print(loss, style="red", markup=False, soft_wrap=True)
