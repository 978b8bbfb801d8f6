"""What `boltmod classify` says at the end, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.table import Table

from boltmod.cli.classify.job import Job
from boltmod.cli.terminal import stderr, stdout
from boltmod.recording.live.buffer import LiveRecording
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
        stderr.print(f"classified by {job.engine.words}")
    else:
        stderr.print("no signal found: give --offset and --bandwidth, or use --channel none")
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
        verdict.class_name or "(too short)",
        "" if verdict.probability is None else f"{verdict.probability:.3f}",
        str(verdict.n_windows),
        f"~{hertz(signal.offset_hz)} Hz" if carrier_hz is None else f"{hertz(carrier_hz)} Hz",
        f"{hertz(signal.bandwidth_hz)} Hz",
        hertz(signal.symbol_rate_hz) + ("" if signal.symbol_rate_is_sure else " (guess)"),
        "" if signal.snr_db is None else f"{signal.snr_db:.1f} dB",
        f"{on:,} samples",
    ]


def say_dropped(live: LiveRecording) -> None:
    """Say how much of a stream was dropped."""
    stderr.print(
        f"{live.n_dropped:,} of {live.n_seen:,} times 1024 samples dropped so far: the stream is "
        "faster than they can be looked at",
        style="bold red", markup=False,
    )  # fmt: skip
