"""`boltmod classify` when it looks for the signals in the band."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from boltmod.cli.terminal import emit, stderr

if TYPE_CHECKING:
    from boltmod.data.raw import RawRecording
    from boltmod.runtime.signals import SignalLabel, Verdict, Wish


def classify_signals(
    recording: RawRecording,
    model: Path,
    wish: Wish,
    output: Path | None,
    summary_only: bool,
    as_json: bool,
    *,
    threads: int | None = None,
) -> None:
    """Find the signals of a recording, classify each, and say or write what they are."""
    from boltmod.runtime import signal_files
    from boltmod.runtime.session import Classifier
    from boltmod.runtime.signals import find_signals, label_signal, verdict

    if output is not None:
        signal_files.check_path(output)
    classifier = Classifier(model, threads)
    verdicts: list[Verdict] = []
    labels: list[SignalLabel] = []
    for signal in find_signals(recording, wish):
        shares: list[float] = []
        own = list(label_signal(classifier, recording, signal, shares))
        verdicts.append(verdict(signal, own, shares, classifier.classes))
        labels.extend(own)
    if output is not None:
        signals = [each.signal for each in verdicts]
        signal_files.write(output, labels, signals, recording, classifier.model.name)
    document: dict[str, Any] = {
        "input": str(recording.path),
        "model": str(model),
        "rate_hz": recording.rate_hz,
        "centre_hz": recording.centre_hz,
        "signals": [asdict(each) for each in verdicts],
    }
    if output is not None:
        document["output"] = str(output)
    elif not summary_only:
        document["windows"] = [asdict(each) for each in labels]
    shown = [] if summary_only or output is not None else labels
    emit(document, as_json, lambda console: _show(console, verdicts, shown))
    if not as_json and not verdicts:
        stderr.print("no signal found: give --offset and --bandwidth, or use --channel none")


def _show(console: Console, verdicts: list[Verdict], labels: list[SignalLabel]) -> None:
    if labels:
        table = Table("signal", "start", "class", "probability", box=None)
        for each in labels:
            start, probability = f"{each.time_s:.6f} s", f"{each.probability:.3f}"
            table.add_row(str(each.signal), start, each.class_name, probability)
        console.print(table)
    if verdicts:
        table = Table(
            "signal", "class", "probability", "windows", "offset", "bandwidth", "symbols/s",
            "SNR", "on for", box=None,
        )  # fmt: skip
        for verdict in verdicts:
            table.add_row(*_cells(verdict))
        console.print(table)


def _cells(verdict: Verdict) -> list[str]:
    signal = verdict.signal
    on = sum(end - start for start, end in signal.spans)
    return [
        str(signal.number),
        verdict.class_name or "(too short)",
        "" if verdict.probability is None else f"{verdict.probability:.3f}",
        str(verdict.n_windows),
        f"{signal.offset_hz:,.0f} Hz",
        f"{signal.bandwidth_hz:,.0f} Hz",
        f"{signal.symbol_rate_hz:,.1f}" + ("" if signal.symbol_rate_is_sure else " (guess)"),
        "" if signal.snr_db is None else f"{signal.snr_db:.1f} dB",
        f"{on:,} samples",
    ]
