"""A signal that was found and what it is, in one row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from boltmod.recording.recording import Recording
from boltmod.runtime.verdict import Verdict


@dataclass(frozen=True)
class FoundSignal:
    """A signal of a recording, where and when it is, and its class; None for what is unknown.

    Args:
        signal: Its number, from 1; labels of its windows carry it.
        class_name: The class that makes its windows most probable together; None if no window was
            whole.
        probability: Mean probability of that class over the windows.
        n_windows: Windows that were given a class.
        frequency_hz: Its carrier, or the middle of its band, on the air; None if nobody knows where
            the receiver was tuned to.
        offset_hz: The same from the middle of the recording's band.
        bandwidth_hz: Width that holds 99 % of its power.
        symbol_rate_hz: Symbols a second.
        symbol_rate_is_sure: Whether that was given or measured; else it follows from the bandwidth.
        snr_db: Power over the noise in its band, while it is on.
        first_sample: Where it is first on.
        end_sample: The sample after its last.
        n_samples_on: For how many samples it is on.

    Examples:
        >>> import boltmod, numpy as np
        >>> bits = np.random.default_rng(3).choice([1.0, -1.0], 4096)
        >>> wave = np.convolve(np.kron(bits, np.eye(16)[0]), np.hanning(33), "same")
        >>> samples = wave * np.exp(0.5j * np.arange(len(wave)))
        >>> noise = np.random.default_rng(4).standard_normal((len(samples), 2)) @ [0.02, 0.02j]
        >>> (found,) = boltmod.classify(samples + noise, rate_hz=1e6).signals
        >>> found.class_name, round(found.symbol_rate_hz), round(found.offset_hz)
        ('BPSK', 62500, 79577)
    """

    signal: int
    class_name: str | None
    probability: float | None
    n_windows: int
    frequency_hz: float | None
    offset_hz: float
    bandwidth_hz: float
    symbol_rate_hz: float
    symbol_rate_is_sure: bool
    snr_db: float | None
    first_sample: int
    end_sample: int
    n_samples_on: int

    @classmethod
    def of(cls, verdict: Verdict, recording: Recording) -> Self:
        """Return what was found and decided of a recording's signal."""
        found = verdict.signal
        offset_hz = found.middle_hz
        tuned_hz = recording.centre_hz
        return cls(
            signal=found.number,
            class_name=verdict.class_name,
            probability=verdict.probability,
            n_windows=verdict.n_windows,
            frequency_hz=None if tuned_hz is None else tuned_hz + offset_hz,
            offset_hz=offset_hz,
            bandwidth_hz=found.bandwidth_hz,
            symbol_rate_hz=found.symbol_rate_hz,
            symbol_rate_is_sure=found.symbol_rate_is_sure,
            snr_db=found.snr_db,
            first_sample=min((start for start, _ in found.spans), default=0),
            end_sample=max((end for _, end in found.spans), default=0),
            n_samples_on=sum(end - start for start, end in found.spans),
        )
