"""What `boltmod classify` says at the end, in words and as a table."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.markup import escape
from rich.table import Table

from boltmod.cli.classify.job import Job
from boltmod.cli.classify.signal_table import hertz, signal_table
from boltmod.cli.terminal import stderr, stdout
from boltmod.recording.live.buffer import LiveRecording
from boltmod.runtime.cut.signal import Evidence
from boltmod.runtime.sink import table
from boltmod.runtime.verdict import Verdict
from boltmod.untrusted import visible


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
    if job.request.prints_summary and seen:
        stdout.print(_class_table(job))
    compared = job.comparison
    if compared is not None and not job.request.as_json:
        stdout.print(f"{compared.n_right:,} of {compared.n_compared:,} right")
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
    if job.recording.rate_hz is None and seen and not job.request.prints_summary:
        stderr.print("times are in samples, for the sample rate is unknown: give it with --rate")


def _class_table(job: Job) -> Table:
    """How many windows were given each class, and how probable it was in all of them."""
    drawn = Table("class", "windows", "share", "mean probability", box=None)
    seen, means = job.n_by_class, job.mean_probabilities
    for name, n in seen.most_common():
        mean = f"{means[name]:.3f}" if name in means else ""
        drawn.add_row(
            escape(visible(name or table.NO_SIGNAL)), f"{n:,}", f"{n / seen.total():.1%}", mean
        )
    return drawn


def _tell_signals(job: Job) -> None:
    verdicts = job.verdicts
    if job.live is not None and job.live.n_dropped:
        say_dropped(job.live)
    if job.request.prints_json:
        return
    if verdicts:
        stdout.print(signal_table(job.rows))
        if job.request.explains:
            for verdict in verdicts:
                for line in explained(verdict, job.is_in_samples):
                    stdout.print(line, markup=False, highlight=False, soft_wrap=True)
        stderr.print(f"classified by {job.engine.words}")
    else:
        stderr.print("no signal found: give --offset and --bandwidth, or use --channel none")
    if job.listener.carriers:
        places = ", ".join(
            f"{_frequency(each.offset_hz, job.is_in_samples)} ({each.snr_db:.0f} dB)"
            for each in job.listener.carriers
        )
        stderr.print(f"bare carriers, not listed: {places}", markup=False, soft_wrap=True)
    if job.listener.n_ignored:
        stderr.print("more than 256 signals: what came after them was not looked at")


def _frequency(value: float, is_in_samples: bool) -> str:
    return f"{value:.4f} cycles/sample" if is_in_samples else f"{hertz(value)} Hz"


def explained(verdict: Verdict, is_in_samples: bool = False) -> list[str]:
    """Why a signal is said to be where and what it is, in lines of text.

    Args:
        verdict: What was decided of it.
        is_in_samples: Whether its recording's sample rate is unknown and taken for 1.
    """
    signal, evidence = verdict.signal, verdict.signal.evidence
    middle_hz = signal.middle_hz
    certainty = "sure" if signal.symbol_rate_is_sure else "a guess"
    rate_hz = signal.symbol_rate_hz
    rate = f"{rate_hz:.6f}/sample" if is_in_samples else f"{hertz(rate_hz)}/s"
    place = _frequency(middle_hz, is_in_samples)
    lines = [
        f"signal {signal.number}",
        f"  carrier   {place}: {evidence.carrier or 'the middle of the band'}",
        f"  symbols   {rate}, {certainty}: {evidence.clock}",
    ]
    if evidence.power_share is not None:
        lines.append(
            f"  channel   {evidence.power_share:.0%} of the box's power, "
            f"{evidence.samples_per_symbol:.3g} samples a symbol"
        )
    if evidence.keying:
        lines.append(f"  keying    {_keying(evidence, is_in_samples)}")
    if evidence.message:
        lines.append(f"  message   {evidence.message}, on its {evidence.message_in}")
    if evidence.subcarrier_spacing_hz is not None:
        spacing = _frequency(evidence.subcarrier_spacing_hz, is_in_samples)
        lines.append(f"  prefix    subcarriers {spacing} apart")
    top = ", ".join(f"{name} {share:.3f}" for name, share in verdict.top_classes.items())
    lines.append(f"  network   {top or f'({verdict.reason})'}")
    if verdict.is_by_waveform:
        lines.append(
            f"  class     {verdict.class_name}: by its waveform, whatever the network says"
        )
    return lines


def _keying(evidence: Evidence, is_in_samples: bool) -> str:
    if evidence.frequency_deviation_hz is not None:
        return (
            f"{evidence.n_tones} tones, deviation "
            f"{_frequency(evidence.frequency_deviation_hz, is_in_samples)}, "
            f"envelope varies by {evidence.envelope_variation:.0%}"
        )
    return (
        f"{evidence.keying}, on {evidence.on_share:.0%} of the time, "
        f"lower level {evidence.low_amplitude:.0%} of the upper one"
    )


def say_dropped(live: LiveRecording) -> None:
    """Say how much of a stream was dropped."""
    stderr.print(
        f"{live.n_dropped:,} of {live.n_seen:,} times 1024 samples dropped so far: the stream is "
        "faster than they can be looked at",
        style="bold red", markup=False,
    )  # fmt: skip
