"""What `boltmod classify` says at the end, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.table import Table

from boltmod.cli.classify.job import Job
from boltmod.cli.terminal import stderr, stdout
from boltmod.recording.live.buffer import LiveRecording
from boltmod.runtime.cut.signal import Evidence
from boltmod.runtime.sink import table
from boltmod.runtime.verdict import Verdict


@contextmanager
def summary(job: Job) -> Iterator[None]:
    """Say at the end how it went, in words; of a stream's whole band after an error too."""
    try:
        yield
    except BaseException:
        if job.live is not None and not job.request.looks_for_signals:
            _tell_band(job)
        raise
    if job.request.looks_for_signals:
        _tell_signals(job)
    else:
        _tell_band(job)


def _tell_band(job: Job) -> None:
    live, seen = job.live, job.n_by_class
    if (live is None and job.request.as_json) or (live is not None and not live.n_seen):
        return
    parts = [f"{n:,} {name or table.NO_SIGNAL}" for name, n in seen.most_common()]
    by = f"by {job.engine.words}"
    stderr.print(
        f"{seen.total():,} windows: {', '.join(parts)}; {by}", markup=False, soft_wrap=True
    )
    if live is not None and live.n_dropped:
        stderr.print(
            f"{live.n_dropped:,} more windows dropped, {live.n_dropped / live.n_seen:.1%} of "
            f"{live.n_seen:,}: the stream is faster than the network",
            style="bold red", markup=False,
        )  # fmt: skip
    if live is None and job.n_left_over_samples:
        stderr.print(f"{job.n_left_over_samples} samples at the end fill no window")
    if job.recording.rate_hz is None and seen:
        stderr.print("times are in samples, for the sample rate is unknown: give it with --rate")


def _tell_signals(job: Job) -> None:
    verdicts = job.verdicts
    if job.live is not None and job.live.n_dropped:
        say_dropped(job.live)
    if job.request.as_json:
        return
    if verdicts:
        stdout.print(_signal_table(verdicts))
        if job.request.explains:
            for verdict in verdicts:
                for line in explained(verdict):
                    stdout.print(line, markup=False, highlight=False, soft_wrap=True)
        stderr.print(f"classified by {job.engine.words}")
    else:
        stderr.print("no signal found: give --offset and --bandwidth, or use --channel none")
    if job.listener.carriers:
        places = ", ".join(
            f"{hertz(each.offset_hz)} Hz ({each.snr_db:.0f} dB)" for each in job.listener.carriers
        )
        stderr.print(f"bare carriers, not listed: {places}", markup=False, soft_wrap=True)
    if job.listener.n_ignored:
        stderr.print("more than 256 signals: what came after them was not looked at")


def _signal_table(verdicts: list[Verdict]) -> Table:
    drawn = Table(
        "signal", "class", "probability", "windows", "carrier", "bandwidth", "symbols/s",
        "SNR", "on for", box=None,
    )  # fmt: skip
    for verdict in verdicts:
        drawn.add_row(*_cells(verdict))
    return drawn


def hertz(value: float) -> str:
    """A frequency; of a recording without a sample rate it is a share of one."""
    return f"{value:,.1f}" if abs(value) >= 1 or value == 0 else f"{value:.4f}"


def _cells(verdict: Verdict) -> list[str]:
    signal = verdict.signal
    on = sum(end - start for start, end in signal.spans)
    carrier_hz = signal.carrier_hz
    return [
        str(signal.number),
        verdict.class_name or _reason(verdict),
        "" if verdict.probability is None else f"{verdict.probability:.3f}",
        str(verdict.n_windows),
        f"~{hertz(signal.offset_hz)} Hz" if carrier_hz is None else f"{hertz(carrier_hz)} Hz",
        f"{hertz(signal.bandwidth_hz)} Hz",
        hertz(signal.symbol_rate_hz) + ("" if signal.symbol_rate_is_sure else " (guess)"),
        "" if signal.snr_db is None else f"{signal.snr_db:.1f} dB",
        f"{on:,} samples",
    ]


def explained(verdict: Verdict) -> list[str]:
    """Why a signal is said to be where and what it is, in lines of text."""
    signal, evidence = verdict.signal, verdict.signal.evidence
    middle_hz = signal.offset_hz if signal.carrier_hz is None else signal.carrier_hz
    certainty = "sure" if signal.symbol_rate_is_sure else "a guess"
    lines = [
        f"signal {signal.number}",
        f"  carrier   {hertz(middle_hz)} Hz: {evidence.carrier or 'the middle of the band'}",
        f"  symbols   {hertz(signal.symbol_rate_hz)}/s, {certainty}: {evidence.clock}",
    ]
    if evidence.power_share is not None:
        lines.append(
            f"  channel   {evidence.power_share:.0%} of the box's power, "
            f"{evidence.samples_per_symbol:.3g} samples a symbol"
        )
    if evidence.keying:
        lines.append(f"  keying    {_keying(evidence)}")
    top = ", ".join(f"{name} {share:.3f}" for name, share in verdict.top_classes.items())
    lines.append(f"  network   {top or _reason(verdict)}")
    if verdict.is_by_waveform:
        lines.append(
            f"  class     {verdict.class_name}: by its waveform, whatever the network says"
        )
    return lines


def _keying(evidence: Evidence) -> str:
    if evidence.frequency_deviation_hz is not None:
        return (
            f"{evidence.n_tones} tones, deviation {hertz(evidence.frequency_deviation_hz)} Hz, "
            f"envelope varies by {evidence.envelope_variation:.0%}"
        )
    return (
        f"{evidence.keying}, on {evidence.on_share:.0%} of the time, "
        f"lower level {evidence.low_amplitude:.0%} of the upper one"
    )


def _reason(verdict: Verdict) -> str:
    """Why a signal has no class."""
    if verdict.n_quiet_windows:
        return "(too quiet)"
    return "(constant)" if verdict.n_constant_windows else "(too short)"


def say_dropped(live: LiveRecording) -> None:
    """Say how much of a stream was dropped."""
    stderr.print(
        f"{live.n_dropped:,} of {live.n_seen:,} times 1024 samples dropped so far: the stream is "
        "faster than they can be looked at",
        style="bold red", markup=False,
    )  # fmt: skip
