"""What a receiver adds by itself, taken out before signals are looked for.

Samples that do not change are no reception: a file's zero bytes, a recorder's gaps, a squelch. A
spike at 0 Hz is the receiver's own; impulses are far shorter than any symbol and as wide as the
band.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Thresholds:
    """When something is taken for the receiver's own.

    Args:
        constant_run: Samples that do not change at all, and are no reception (count). Eight-bit
            noise of half a step repeats a value some ten times; source: RTL2832U captures, whose
            first transfers are zero bytes (osmocom rtl_sdr).
        spike_segments: Parts of a piece that a spike must be the same in (count).
        spike_steady: Share of the segments' mean power at 0 Hz that is one constant (ratio). That
            of noise or of a signal is 1 / spike_segments.
        spike_own: Correlation of what is left with the spike's own phase from which on it is the
            carrier of an amplitude modulation, and stays (ratio, 0 for noise and PSK, 1 for AM).
        spike_averages: Samples averaged to look at what is around the spike (count).
        impulse_block: Samples in which an impulse is looked for (count).
        impulse_over: Power of an impulse over the block's median (ratio, 40 for noise once in
            10^12 samples).
        impulse_samples: The longest impulse (count); what is longer is a signal.
        impulse_share: Its share of the power of the 64 samples around it, at least (ratio); beside
            it is noise.
        impulse_turns: Samples from which on an impulse has a frequency (count).
        impulse_coherence: Share of its samples' products that add up, from which on a short pulse
            is one of a signal (ratio, 1 for a tone).
        silence_db: A converter's zero is so far (dB) below what it hears, at least, to be the pause
            of a signal whose receiver's noise is less than a step.
        impulse_guard: Samples beside an impulse that go with it (count): a receiver's filters.
    """

    constant_run: int = 64
    spike_segments: int = 32
    spike_steady: float = 0.85
    spike_own: float = 0.5
    spike_averages: tuple[int, ...] = (1, 8, 64)
    impulse_block: int = 512
    impulse_over: float = 40.0
    impulse_samples: int = 16
    impulse_share: float = 0.9
    impulse_turns: int = 6
    impulse_coherence: float = 0.8
    impulse_guard: int = 3
    silence_db: float = 20.0


THRESHOLDS = Thresholds()
_FULL, _FULL_RUNS = 0.9, 3
"""Power over the greatest there is (ratio), and runs of it, that are a converter's full scale."""
_FLOOR_DB = 40.0
"""What is put in for a receiver's noise is so far below what is heard: a converter's own of eight
bits."""


@dataclass(frozen=True)
class Cleaned:
    """A piece of a recording without what the receiver added.

    Args:
        samples: The piece.
        is_constant: Samples that were no reception, (n,).
        spike: Level of the constant that was taken out; 0 if there was none.
        n_blanked: Samples of impulses that were set to zero.
    """

    samples: Samples
    is_constant: Flags
    spike: complex
    n_blanked: int


def clean(samples: Samples, thresholds: Thresholds = THRESHOLDS) -> Cleaned:
    """Take out what a receiver adds by itself.

    Args:
        samples: A piece of a recording.
        thresholds: When something is taken for the receiver's own.
    """
    is_constant = constant(samples, thresholds.constant_run)
    spike = _spike(samples[~is_constant] if is_constant.any() else samples, thresholds)
    blanked = _impulses(samples, thresholds)
    if spike or blanked.any():
        samples = (samples - np.complex64(spike)).astype(np.complex64)
        samples[blanked] = 0
    return Cleaned(samples, is_constant, spike, int(blanked.sum()))


def with_floor(cleaned: Cleaned, thresholds: Thresholds = THRESHOLDS) -> Cleaned | None:
    """The piece with faint noise where nothing was heard: the pauses of a signal, then.

    Noise of less than a converter's step is not there in its samples.

    Returns:
        None if what does not change is no silence.
    """
    silent = cleaned.is_constant
    heard = cleaned.samples[~silent]
    if not len(heard) or not silent.any():
        return None
    power = float((np.abs(heard.astype(np.complex128)) ** 2).mean())
    quiet = cleaned.samples[silent].astype(np.complex128)
    if float((np.abs(quiet) ** 2).max()) > power * 10 ** (-thresholds.silence_db / 10):
        return None
    level = np.sqrt(power / 2) * 10 ** (-_FLOOR_DB / 20)
    noise = np.random.default_rng(len(quiet)).standard_normal((len(cleaned.samples), 2))
    floor = (noise[:, 0] + 1j * noise[:, 1]) * level
    samples = (cleaned.samples + floor).astype(np.complex64)
    return Cleaned(samples, np.zeros_like(silent), cleaned.spike, cleaned.n_blanked)


def constant(samples: Samples, least: int) -> Flags:
    """Samples within a run of equal ones that is at least so long."""
    is_same = np.zeros(len(samples), np.bool_)
    if len(samples) < least:
        return is_same
    changes = np.flatnonzero(samples[1:] != samples[:-1]) + 1
    edges = np.concatenate([[0], changes, [len(samples)]])
    lengths = np.diff(edges)
    runs = np.flatnonzero(lengths >= least)
    power = np.abs(samples[edges[runs]]) ** 2
    is_full = power >= _FULL * (np.abs(samples) ** 2).max()
    if is_full.sum() >= _FULL_RUNS:
        # A carrier that overloads the converter stays at its ends again and again.
        runs = runs[~is_full]
    for place in runs:
        is_same[edges[place] : edges[place + 1]] = True
    return is_same


def _spike(samples: Samples, thresholds: Thresholds) -> complex:
    """Level of a constant that is there all the time and is no signal's carrier."""
    length = len(samples) // thresholds.spike_segments
    if length < max(thresholds.spike_averages):
        return 0.0
    parts = samples[: length * thresholds.spike_segments].reshape(-1, length)
    means = parts.mean(axis=1, dtype=np.complex128)
    level = complex(np.median(means.real), np.median(means.imag))
    power = float((np.abs(means) ** 2).mean())
    if abs(level) ** 2 < thresholds.spike_steady * power or not power:
        return 0.0
    for n in thresholds.spike_averages:
        whole = len(samples) // n * n
        rest = samples[:whole].reshape(-1, n).mean(axis=1, dtype=np.complex128) - level
        total = float((np.abs(rest) ** 2).mean())
        along = float(((rest * np.conj(level) / abs(level)) ** 2).mean().real)
        if total <= 0 or along > thresholds.spike_own * total:
            return 0.0
    return level


def _impulses(samples: Samples, thresholds: Thresholds) -> Flags:
    """Samples of impulses: far above what is around them, few together, of no frequency."""
    block = thresholds.impulse_block
    found = np.zeros(len(samples), np.bool_)
    n_blocks = len(samples) // block
    if not n_blocks:
        return found
    power = samples.real**2 + samples.imag**2
    level = np.median(power[: n_blocks * block].reshape(-1, block), axis=1)
    level = ndimage.minimum_filter1d(level, 3)
    level[level <= 0] = np.inf
    limit = np.repeat(thresholds.impulse_over * level, block)
    limit = np.pad(limit, (0, len(samples) - len(limit)), mode="edge")
    guard = thresholds.impulse_guard
    labels, n = ndimage.label(ndimage.binary_closing(power > limit, np.ones(guard)))
    if not n:
        return found
    for (run,) in ndimage.find_objects(labels):
        if run.stop - run.start > thresholds.impulse_samples:
            continue
        around = power[max(0, run.start - block // 16) : run.stop + block // 16].sum()
        own = power[max(0, run.start - guard) : run.stop + guard].sum()
        if own > thresholds.impulse_share * around and _is_wide(samples[run], thresholds):
            found[max(0, run.start - guard) : run.stop + guard] = True
    return found


def _is_wide(run: Samples, thresholds: Thresholds) -> bool:
    """Whether so few samples are of no one frequency."""
    if len(run) < thresholds.impulse_turns:
        return True
    turns = run[1:] * run[:-1].conj()
    return bool(abs(turns.sum()) < thresholds.impulse_coherence * np.abs(turns).sum())
