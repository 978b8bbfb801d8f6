"""`boltmod classify`: what modulation a recording holds, window by window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import Progress

from boltmod.cli.terminal import JsonOption, emit, stderr, stdout

if TYPE_CHECKING:
    from boltmod.data.raw import RawRecording
    from boltmod.runtime.windows import Label


def classify(
    recording: Annotated[
        Path,
        typer.Argument(metavar="INPUT", help="A SigMF, two-channel WAV or raw I/Q recording."),
    ],
    model: Annotated[Path, typer.Option("--model", "-m", help="The classifier, an ONNX file.")],
    sample_format: Annotated[
        str | None,
        typer.Option("--format", "-f", help="cf32, ci16, ci8 or cu8; told from the ending if not."),
    ] = None,
    rate: Annotated[
        str | None, typer.Option("--rate", "-r", help="Samples a second, such as 240k or 2.4M.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Write to a .txt (table), .jsonl or .sigmf-meta file instead."
        ),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Processors to use; all if not.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Name the modulation of every 1024-sample window of INPUT, with its probability and time."""
    from boltmod.data.quantity import parse_rate
    from boltmod.data.recording import open_recording
    from boltmod.runtime import label_files
    from boltmod.runtime.session import Classifier
    from boltmod.runtime.windows import label_windows

    source = open_recording(recording, sample_format, None if rate is None else parse_rate(rate))
    if output is not None:
        label_files.check_path(output)
    classifier = Classifier(model, threads)
    seen: Counter[str | None] = Counter()
    labels = _counted(label_windows(classifier, source), seen)
    summary = {"input": str(recording), "model": str(model), "rate_hz": source.rate_hz}
    if output is not None:
        label_files.write(output, _with_progress(labels, source), source, classifier.model)
        summary["output"] = str(output)
    if as_json:
        windows = [asdict(label) for label in labels] if output is None else None
        emit(_document(summary, windows, seen, source), True, lambda console: None)
    elif output is None:
        _print(labels)
    if not as_json:
        _tell(seen, source)


def _print(labels: Iterable[Label]) -> None:
    from boltmod.runtime.label_files import TABLE_HEADING, table_row

    for number, label in enumerate(labels):
        if number == 0:
            stdout.print(TABLE_HEADING, style="bold")
        sure = label.probability is not None and label.probability >= 0.5
        stdout.print(table_row(label), style=None if sure else "dim", markup=False)


def _counted(labels: Iterable[Label], seen: Counter[str | None]) -> Iterator[Label]:
    for label in labels:
        seen[label.class_name] += 1
        yield label


def _with_progress(labels: Iterable[Label], recording: RawRecording) -> Iterator[Label]:
    from boltmod.modulation import FRAME_LENGTH

    with Progress(console=stderr, transient=True) as progress:
        task = progress.add_task("classifying", total=recording.n_samples // FRAME_LENGTH)
        for label in labels:
            progress.advance(task)
            yield label


def _document(
    summary: dict[str, Any],
    windows: list[dict[str, Any]] | None,
    seen: Counter[str | None],
    recording: RawRecording,
) -> dict[str, Any]:
    document = summary | {
        "n_windows": seen.total(),
        "n_left_over_samples": _left_over(recording),
        "n_windows_by_class": {name: n for name, n in seen.most_common() if name is not None},
        "n_constant_windows": seen[None],
    }
    return document if windows is None else document | {"windows": windows}


def _tell(seen: Counter[str | None], recording: RawRecording) -> None:
    from boltmod.runtime.label_files import NO_SIGNAL

    parts = [f"{n} {name or NO_SIGNAL}" for name, n in seen.most_common()]
    stderr.print(f"{seen.total()} windows: {', '.join(parts)}", markup=False)
    if _left_over(recording):
        stderr.print(f"{_left_over(recording)} samples at the end fill no window")
    if recording.rate_hz is None:
        stderr.print("times are in samples, for the sample rate is unknown: give it with --rate")


def _left_over(recording: RawRecording) -> int:
    from boltmod.modulation import FRAME_LENGTH

    return recording.n_samples % FRAME_LENGTH
