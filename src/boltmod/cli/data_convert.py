"""`boltmod data convert`: other people's data sets in RadioML 2018.01A's layout."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from boltmod.cli.terminal import JsonOption, emit

if TYPE_CHECKING:
    from boltmod.data.layout import Layout


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="HDF5, MATLAB (.mat), .npz, a pickle of RadioML 2016, or a folder: TorchSig's, "
            ".tim files with their text, annotated SigMF recordings.",
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
    own_classes: Annotated[
        bool,
        typer.Option("--own-classes", help="Keep IN's own classes and the length of its frames."),
    ] = False,
    frame_length: Annotated[
        int | None, typer.Option(min=8, help="Samples of a frame, if not IN's own or 1024.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the labelled frames of IN as a data set in RadioML's layout.

    Frames of another length than 1024 are repeated or cut; classes that are none of the 24 are left
    out; both is said. With --own-classes both stay, and frames are scaled to unit deviation.
    """
    from boltmod.cli.progress import frames_progress
    from boltmod.data import convert as module
    from boltmod.modulation import CLASSES

    naming = module.Naming.parse(classes, own_classes)
    wanted = module.Wanted(own_classes, frame_length)
    with frames_progress(f"converting {source.name}") as progress:
        made = module.convert(source, out, naming, snr, progress, wanted)

    def show(console: Console) -> None:
        console.print(
            f"{out}: {made.n_frames:,} frames of {len(made.n_by_class)} classes", markup=False
        )

        def way_out(name: str) -> str:
            if own_classes:
                return "classes"
            return f"24 classes; --classes {name}=CLASS says what it is"

        length = made.layout.frame_length
        if made.frame_length != length:
            how = "repeated to" if made.frame_length < length else "cut into frames of"
            console.print(f"frames of {made.frame_length} samples, {how} {length}")
        if made.layout.classes != CLASSES or own_classes:
            console.print(_for_recipe(made.layout), markup=False, soft_wrap=True)
        for name, n in made.n_left_out.items():
            console.print(
                f"left out: {n:,} frames of {name}, which is none of the {way_out(name)}",
                markup=False, soft_wrap=True,
            )  # fmt: skip

    emit({"path": out, "source": source} | asdict(made), as_json, show)


def _for_recipe(layout: Layout) -> str:
    """What a recipe says of such data."""
    names = ", ".join(json.dumps(name) for name in layout.classes)
    return f"in a recipe: classes = [{names}], frame_length = {layout.frame_length}"
