"""`boltmod evaluate`: how often a model is right, on a file or on the twin."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.strangers import LimitOption, rehearse
from boltmod.cli.terminal import LARGEST_SEED, ForceOption, JsonOption, emit, stderr

if TYPE_CHECKING:
    from boltmod.evaluation.likelihood.receiver import LikelihoodReceiver
    from boltmod.evaluation.metrics import Evaluation
    from boltmod.runtime.session import Classifier

HIGH_SNR = 10


class Split(StrEnum):
    """Which part of the challenge's split."""

    TEST = "test"
    TRAIN = "train"
    ALL = "all"


def evaluate(  # noqa: PLR0913  one parameter an option
    model: Annotated[
        Path,
        typer.Argument(
            help="The classifier: an ONNX file; the name of one that comes along, as boltnet; "
            "or likelihood, a receiver without a network."
        ),
    ],
    data: Annotated[
        str,
        typer.Option(
            metavar="FILE|PROFILE",
            help="An HDF5 file in RadioML's layout, or the generator's twin, textbook or field.",
        ),
    ] = "twin",
    split: Annotated[Split, typer.Option(help="Of a file: which part of the official split.")] = (
        Split.TEST
    ),
    frames_per_cell: Annotated[
        int | None,
        typer.Option(
            min=1, help="Frames of each (class, SNR) pair; of a profile 16, of a file all."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=LARGEST_SEED, help="Of a profile; one no data set is made with if not."
        ),
    ] = None,
    minimum_snr: Annotated[
        int, typer.Option(min=-20, max=30, help="Of a profile; the lowest SNR label looked at.")
    ] = -20,
    out: Annotated[
        Path | None, typer.Option(help="Folder for evaluation.json and the pictures.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Processors to use; all if not.")
    ] = None,
    engine: Annotated[
        str, typer.Option(help="What runs a network: auto, integer or onnxruntime.")
    ] = "auto",
    limit: LimitOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure MODEL's accuracy: overall, by SNR and class, and what is taken for what.

    A model that answers unknown is also asked about such signals, in the profile field.
    """
    from boltmod.cli.progress import frames_progress
    from boltmod.evaluation.evaluate import frames_for, measured, respondent
    from boltmod.evaluation.frames import Choice
    from boltmod.files import refuse_existing

    if out is not None:
        check_pictures()
        refuse_existing(out / "evaluation.json", force)
        out.mkdir(parents=True, exist_ok=True)
    if str(model) != "likelihood" or model.is_file():
        rehearse(model, engine, limit)
    classifier = respondent(model, data, threads, engine)
    choice = Choice(split.value, frames_per_cell, seed, minimum_snr)
    with (
        frames_for(classifier, data, choice) as frames,
        frames_progress(f"evaluating {model.name}") as progress,
    ):
        result = measured(classifier, frames, model.name, tell=_note, progress=progress)
    document: dict[str, Any] = result.as_dict()
    document["engine"] = str(classifier.engine)
    if out is not None:
        document["pictures"] = write(result, out)
    emit(document, as_json, lambda console: _show_all(console, result, out, classifier))


def _note(sentence: str) -> None:
    stderr.print(f"note: {sentence}", markup=False)


def _show_all(
    console: Console,
    result: Evaluation,
    out: Path | None,
    classifier: Classifier | LikelihoodReceiver,
) -> None:
    from boltmod.runtime.engines import EngineName

    show(console, result, out)
    if isinstance(classifier.engine, EngineName):
        console.print(f"run by {classifier.engine.words}")


def check_pictures() -> None:
    """Fail before the work, not after it, where pictures cannot be drawn."""
    from boltmod.evaluation.plots import require_matplotlib

    require_matplotlib()


def write(result: Evaluation, folder: Path) -> list[Path]:
    """Write evaluation.json and the pictures into a folder."""
    import json

    from boltmod.evaluation.plots import save_all
    from boltmod.files import write_text

    pictures = save_all(result, folder)
    write_text(folder / "evaluation.json", json.dumps(result.as_dict(), allow_nan=False) + "\n")
    return pictures


def show(console: Console, result: Evaluation, out: Path | None) -> None:
    """Print an evaluation: overall, by SNR, by class."""
    from boltmod.evaluation.possible import ceiling_by_snr, share_of_possible

    console.print(f"{result.model} on {result.data}", markup=False)
    console.print(f"accuracy         {result.accuracy:7.2%}  over {result.n_frames:,} frames")
    if max(result.snr_labels) >= HIGH_SNR:
        console.print(f"from +{HIGH_SNR} dB up   {result.accuracy_from(HIGH_SNR):7.2%}")
    share = share_of_possible(result)
    if share is not None:
        console.print(f"of the possible  {share:7.2%}  (boltmod ceiling)")
    if result.calibration is not None:
        console.print(f"calibration      {result.calibration.expected_error:7.2%}  expected error")
    console.print(_by_snr(result, ceiling_by_snr(result) or {}))
    console.print(_by_class(result))
    if out is not None:
        console.print(f"{out}: evaluation.json and pictures", markup=False)


def _by_snr(result: Evaluation, ceiling: Mapping[int, float]) -> Table:
    headings = ("SNR label", "accuracy", *(["ceiling"] if ceiling else []), "")
    table = Table(*headings, title="by SNR", title_justify="left", box=None)
    for snr, share in result.by_snr.items():
        best = [f"{ceiling[snr]:.1%}"] if ceiling else []
        label = f"{snr:+d} dB" if snr else "0 dB"
        table.add_row(label, f"{share:.1%}", *best, "█" * round(30 * share))
    for column in table.columns[:-1]:
        column.justify = "right"
    return table


def _by_class(result: Evaluation) -> Table:
    headings = ("class", "all SNRs", f"from +{HIGH_SNR} dB", "most often taken for")
    table = Table(*headings, title="by class", title_justify="left", box=None)
    high = result.by_class_from(HIGH_SNR)
    for name, share in result.by_class.items():
        at_high = f"{high[name]:.1%}" if name in high else ""
        table.add_row(name, f"{share:.1%}", at_high, _rival(result, name))
    table.columns[1].justify = table.columns[2].justify = "right"
    return table


def _rival(result: Evaluation, name: str) -> str:
    """The class that one is most often mistaken for, and how often."""
    label = result.classes.index(name)
    answers = result.confusion.sum(axis=0)[label].copy()
    total, answers[label] = answers.sum(), 0
    rival = int(answers.argmax())
    return f"{result.classes[rival]} {answers[rival] / total:.1%}" if answers[rival] else ""
