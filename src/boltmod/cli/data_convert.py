"""`boltmod data convert`: other people's data sets in RadioML 2018.01A's layout."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from boltmod.cli.terminal import JsonOption, emit


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="HDF5, MATLAB (.mat), .npz, or a pickle of RadioML 2016."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The HDF5 file to write.")],
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,...",
            help="Names of the classes in the order of their numbers; or NAME=CLASS for what a "
            "name of the file means.",
        ),
    ] = None,
    snr: Annotated[
        int | None, typer.Option(help="SNR label of all frames in dB, where IN has none.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the labelled frames of IN as a data set in RadioML's layout.

    Frames of another length than 1024 are repeated or cut; classes that are none of the 24 are left
    out; both is said.
    """
    from boltmod.cli.progress import frames_progress
    from boltmod.data import convert as module
    from boltmod.modulation import FRAME_LENGTH

    naming = module.Naming.parse(classes)
    with frames_progress(f"converting {source.name}") as progress:
        made = module.convert(source, out, naming, snr, progress)

    def show(console: Console) -> None:
        console.print(
            f"{out}: {made.n_frames:,} frames of {len(made.n_by_class)} classes", markup=False
        )
        if made.frame_length != FRAME_LENGTH:
            how = "repeated to" if made.frame_length < FRAME_LENGTH else "cut into frames of"
            console.print(f"frames of {made.frame_length} samples, {how} {FRAME_LENGTH}")
        for name, n in made.n_left_out.items():
            console.print(
                f"left out: {n:,} frames of {name}, which is none of the 24 classes; "
                f"--classes {name}=CLASS says what it is",
                markup=False, soft_wrap=True,
            )  # fmt: skip

    emit({"path": out, "source": source} | asdict(made), as_json, show)
