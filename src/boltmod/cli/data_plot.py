"""`boltmod data plot`: pictures of the frames of a file or of the generator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from boltmod.cli.terminal import LARGEST_SEED, ForceOption, JsonOption, emit

SNR_LABELS_SHOWN = (-20, -10, -4, 0, 4, 10, 20, 30)
"""SNR labels of the sheet over SNRs."""


def plot(  # noqa: PLR0913  one parameter an option
    data: Annotated[
        str,
        typer.Argument(
            metavar="FILE|PROFILE",
            help="An HDF5 file in RadioML's layout, or the generator's twin, textbook or field.",
        ),
    ] = "twin",
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("plots"),
    snr: Annotated[int, typer.Option(help="SNR label in dB of the sheet of classes.")] = 30,
    only: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class; repeatable.")
    ] = None,
    frames_per_cell: Annotated[
        int, typer.Option(min=1, help="Frames of each (class, SNR) pair that spectra average.")
    ] = 16,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of the generator.")] = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Draw every class: waveform, constellation and spectrum, and constellations over SNRs."""
    from boltmod.data.choice import chosen_batches
    from boltmod.evaluation import signal_plots
    from boltmod.evaluation.plots import save
    from boltmod.files import refuse_existing

    for name in (f"classes_{snr:+d}_db.png", "constellations_over_snr.png"):
        refuse_existing(out / name, force)
    shown = sorted({*SNR_LABELS_SHOWN, snr})
    batches = chosen_batches(data, only, shown, frames_per_cell, seed)
    frames = signal_plots.frames_by_cell(batches)
    out.mkdir(parents=True, exist_ok=True)
    pictures = {
        f"classes_{snr:+d}_db.png": signal_plots.class_sheet(frames, snr),
        "constellations_over_snr.png": signal_plots.snr_sheet(frames, shown),
    }
    for name, figure in pictures.items():
        save(figure, out / name)
    paths = [out / name for name in pictures]
    emit(
        {"data": data, "pictures": paths},
        as_json,
        lambda console: console.print("\n".join(map(str, paths)), markup=False),
    )
