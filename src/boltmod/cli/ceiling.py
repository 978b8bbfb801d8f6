"""`boltmod ceiling`: the best accuracy that any classifier can have on the generator's frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from boltmod.cli.evaluate import check_pictures, show, write
from boltmod.cli.terminal import LARGEST_SEED, ForceOption, JsonOption, emit
from boltmod.modulation import SNR_LABELS


def ceiling(
    profile: Annotated[str, typer.Option(help="The generator's twin or textbook.")] = "twin",
    snr: Annotated[
        list[int] | None,
        typer.Option(metavar="LABEL", help="An SNR label; may be given again; all if not."),
    ] = None,
    frames_per_cell: Annotated[
        int, typer.Option(min=1, help="Frames of each (class, SNR) pair.")
    ] = 16,
    seed: Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help="Of the frames.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.json and the pictures.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Let a receiver that a genie tells everything but class, symbols and noise classify frames.

    Nothing can be more accurate on these frames; what lies between it and a network is not all to
    be had, for nobody is told so much. `boltmod evaluate likelihood` is a receiver that is not.
    """
    from boltmod.cli.progress import frames_progress
    from boltmod.data.threads import one_thread
    from boltmod.errors import ConfigError
    from boltmod.evaluation.ceiling import ceiling as measure
    from boltmod.files import refuse_existing
    from boltmod.signal.profile import profile_from

    labels = tuple(sorted(set(snr))) if snr else SNR_LABELS
    if not set(labels) <= set(SNR_LABELS):
        raise ConfigError(f"--snr must be an even number from -20 to 30, not {min(labels)}")
    if out is not None:
        check_pictures()
        refuse_existing(out / "evaluation.json", force)
        out.mkdir(parents=True, exist_ok=True)
    with frames_progress("listening with a genie") as progress, one_thread():
        result = measure(profile_from(profile), frames_per_cell, seed, labels, progress)
    document: dict[str, Any] = result.as_dict()
    if out is not None:
        document["pictures"] = write(result, out)
    emit(document, as_json, lambda console: show(console, result, out))
