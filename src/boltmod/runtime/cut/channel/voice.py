"""Voices: what is borne by their amplitude, found whole although they come in formants.

The vocal folds open at an even pace for as long as a vowel lasts, and at another one in the next:
the amplitude of a voice on a carrier, on two sidebands or on one has that period. A clock has one
pace for good, and noise has none. So boxes of one neighbourhood in which the amplitude has a pitch
that glides are the syllables and formants of one voice.

Source: P. Boersma, "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound", Proc. Inst. of Phonetic Sciences 17 (1993) 97-110 (the
autocorrelation of a frame over that of its window); pitch and frames as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import Band, occupied
from boltmod.runtime.cut.channel import symbol_rate
from boltmod.runtime.cut.channel.detection import Detection, Span
from boltmod.runtime.cut.channel.spectra import fast_length, hann, mean_quantile

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """What a voice is.

    Args:
        lowest_hz: Pitch, at least: a man's.
        highest_hz: Pitch, at most: a child's.
        frame_s: A frame holds some periods of the lowest pitch (s).
        steps: Frames that a frame overlaps with (count).
        frames: Loud frames, at least (count).
        periodic: Autocorrelation of a frame at its pitch, at least (1 for what repeats itself).
        share: Share of the loud frames that are periodic, at least (ratio): the rest are hisses and
            edges. Of noise and of clocks it is 0 to 0.05.
        certain: The same, from which on no clock speaks against it: a voice's tones may seem one.
        pitches: Periodic frames, at least (count).
        beat_hz: What repeats itself so often (Hz), or less often, and above the highest pitch, has
            none.
        sooner: Its autocorrelation over that at the pitch, at least (ratio).
        same: Pitches that differ by less are one (ratio).
        steady: Share of the periodic frames that have one pitch, or a part of it, at most (ratio).
        loud: Power of a loud frame over the mean (ratio).
        quiet: Quantile of the frames that tells what is there in pauses (ratio).
        quiet_bins: Quantile of the bins that tells the noise (ratio).
        least: Power of a bin of the voice over the noise, at least (ratio).
        widest_hz: A voice on two sidebands is no wider (Hz).
        channel_hz: A voice on the frequency is no wider (Hz).
        narrowest_hz: Band around a box that is looked at, at least (Hz).
        around: The same, over the box (ratio).
        fills: A voice that fills more than that of it (ratio) may be wider.
        wider: How often twice as much is looked at, to the end of that (count).
        even: Deviation of an amplitude over its mean, at most (ratio), that may be all noise.
        keyed: Share of the power in one line (ratio) that makes it a keyed carrier's.
        above_hz: Noise above that is averaged out of the frequency (Hz).
        tones_below_hz: Tones that open a squelch are no higher (Hz).
        seconds: How much of it is looked at, at most (s).
        brief: Share of a voice's time (ratio) that an edge of its band is loud for.
        pause_s: A pause of a voice that is speaking, at most (s).
    """

    lowest_hz: float = 75.0
    highest_hz: float = 350.0
    frame_s: float = 0.06
    steps: int = 2
    frames: int = 8
    periodic: float = 0.5
    share: float = 0.25
    certain: float = 0.5
    pitches: int = 4
    beat_hz: float = 1500.0
    sooner: float = 0.95
    same: float = 0.04
    steady: float = 0.8
    loud: float = 0.25
    quiet: float = 0.15
    quiet_bins: float = 0.25
    least: float = 0.25
    widest_hz: float = 8000.0
    channel_hz: float = 20000.0
    narrowest_hz: float = 4000.0
    around: float = 2.0
    fills: float = 0.6
    wider: int = 3
    keyed: float = 0.5
    even: float = 0.4
    above_hz: float = 5000.0
    tones_below_hz: float = 300.0
    seconds: float = 4.0
    brief: float = 0.25
    pause_s: float = 1.0


THRESHOLDS = Thresholds()
_SMOOTH = 3
"""Bins that are averaged where a voice ends."""
_LINE = 4
"""Bins to both sides that a line is spread over."""
_FRACTIONS = (1 / 3, 1 / 2, 1.0, 2.0, 3.0)
"""Of a pitch, that a frame of the same pace may be taken for."""


def gathered(
    samples: Samples, start: int, found: Sequence[Detection], rate_hz: float
) -> list[Detection]:
    """What was found, the parts of each voice as one.

    Args:
        samples: A piece of the recording.
        start: Number of its first sample, which the spans count from.
        found: What was found in it, the strongest first.
        rate_hz: Samples a second.
    """
    if rate_hz < THRESHOLDS.narrowest_hz:
        return list(found)
    left, whole = list(found), list[Detection]()
    while left:
        first = left.pop(0)
        parts = [first, *_near(first, left, rate_hz)]
        voice = _voice(samples, start, parts, rate_hz)
        if voice is not None:
            left = [each for each in left if each not in parts and not _is_within(each, voice)]
        whole.append(first if voice is None else voice)
    return whole


def _near(first: Detection, others: Sequence[Detection], rate_hz: float) -> list[Detection]:
    """What reaches into a detection's band, or into that of what does, as far as a voice may."""
    hull, near = first.band, list[Detection]()
    for _ in range(2):
        for other in others:
            low, high = min(hull.lower, other.band.lower), max(hull.upper, other.band.upper)
            if (
                other not in near
                and hull.overlap(other.band) > 0
                and (high - low) * rate_hz <= THRESHOLDS.widest_hz
            ):
                near.append(other)
                hull = Band((low + high) / 2, high - low)
    return near


def _is_within(part: Detection, voice: Detection) -> bool:
    """Whether something weaker is a part of a voice: most of it in its band, or briefly beside."""
    if not any(a < d and c < b for a, b in part.spans for c, d in voice.spans):
        return False
    common = part.band.overlap(voice.band)
    is_brief = _time_on(part) < THRESHOLDS.brief * _time_on(voice)
    # A frequency goes farther than where it is for 99 % of the time.
    is_swept = voice.voice_in == "frequency" and common > 0
    return is_swept or common > part.band.width / 2 or (common > -part.band.width / 2 and is_brief)


def _time_on(detection: Detection) -> int:
    return sum(end - first for first, end in detection.spans)


def _voice(
    samples: Samples, start: int, parts: list[Detection], rate_hz: float
) -> Detection | None:
    """The voice that these are parts of; None if there is none."""
    low, high = min(e.band.lower for e in parts), max(e.band.upper for e in parts)
    spans = _closed(sorted(s for e in parts for s in e.spans), round(THRESHOLDS.pause_s * rate_hz))
    if (high - low) * rate_hz > THRESHOLDS.channel_hz:
        return None
    if sum(end - first for first, end in spans) < THRESHOLDS.frames * _n_frame(rate_hz) / 2:
        return None
    moved = [(a - start, b - start) for a, b in spans]
    width = THRESHOLDS.around * max(high - low, THRESHOLDS.narrowest_hz / 2 / rate_hz)
    band, borne_by, share = Band((low + high) / 2, min(1.0, width)), "", 0.0
    for _ in range(THRESHOLDS.wider):
        wave = _around(samples, moved, band, rate_hz)
        frames = _frames(wave, band.width * rate_hz)
        # A slice of what is spread over frequency goes up and down as it passes.
        seen = _borne_by(frames, band.width * rate_hz)
        borne_by, share = seen if seen[0] else (borne_by, share)
        if not borne_by:
            return None
        own, snr_db = _occupied(frames, band, borne_by)
        if own.width < THRESHOLDS.fills * band.width or band.width == 1:
            break
        band = Band(band.centre, min(1.0, 2 * band.width))
    widest_hz = THRESHOLDS.widest_hz if borne_by == "amplitude" else THRESHOLDS.channel_hz
    if own.width * rate_hz > widest_hz:
        return None
    if share < THRESHOLDS.certain and _is_clocked(wave, own.width / band.width):
        return None
    if borne_by == "amplitude" and _is_keyed(frames):
        return None
    return replace(
        parts[0], band=own, spans=tuple(spans), snr_db=snr_db, clear=(), voice_in=borne_by
    )


def _is_clocked(wave: NDArray[np.complexfloating], bandwidth: float) -> bool:
    """Whether symbols keep a clock: what they idle with repeats itself as a vowel does."""
    line = symbol_rate.estimate(wave.astype(np.complex64), bandwidth)
    return line is not None and line.is_sure


def _is_keyed(frames: NDArray[np.complexfloating]) -> bool:
    """Whether most of it is in one line that comes and goes: a carrier that is switched.

    That of an amplitude modulation stays in the pauses, and the tones of a voice go up and down.
    """
    power = np.abs(np.fft.fft(frames * hann(frames.shape[1]), axis=1)) ** 2
    mean = power.mean(axis=0)
    line = int(mean.argmax())
    near = np.arange(-_SMOOTH, _SMOOTH + 1) + line
    share = float(np.take(mean, near, mode="wrap").sum() / mean.sum())
    is_steady = np.quantile(power[:, line], THRESHOLDS.quiet) > mean[line] / 2
    return share > THRESHOLDS.keyed and not is_steady


def _n_frame(rate_hz: float) -> int:
    return round(THRESHOLDS.frame_s * rate_hz)


def _borne_by(frames: NDArray[np.complexfloating], rate_hz: float) -> tuple[str, float]:
    """What of a signal a voice is in, `amplitude` or `frequency`, and how much of it is spoken."""
    amplitude = np.abs(frames)
    in_amplitude = spoken_share(amplitude, rate_hz)
    if in_amplitude and amplitude.std() > THRESHOLDS.even * amplitude.mean():
        return "amplitude", in_amplitude
    in_frequency = spoken_share(_frequency(frames, rate_hz), rate_hz)
    if in_frequency:
        return "frequency", in_frequency
    return ("amplitude", in_amplitude) if in_amplitude else ("", 0.0)


def is_on_frequency(samples: Samples, rate_hz: float) -> bool:
    """Whether a carrier's frequency is that of a voice.

    Args:
        samples: The carrier, around 0 Hz.
        rate_hz: Samples a second.
    """
    if rate_hz < THRESHOLDS.narrowest_hz:
        return False
    frames = _frames(samples, rate_hz)
    return (
        len(frames) >= THRESHOLDS.frames and spoken_share(_frequency(frames, rate_hz), rate_hz) > 0
    )


def _frequency(frames: NDArray[np.complexfloating], rate_hz: float) -> Floats:
    """The frequency over time, without the noise above a voice and the tones below."""
    frequency = np.angle(frames[:, 1:] * frames[:, :-1].conj()).astype(np.float64)
    # The noise of a frequency grows with what it is at, and a voice does not.
    n = max(1, round(rate_hz / THRESHOLDS.above_hz))
    frequency = ndimage.uniform_filter1d(frequency, n, axis=1)
    # Tones below the voice, which open a squelch, are as even as a clock.
    n = max(3, round(rate_hz / THRESHOLDS.tones_below_hz))
    return np.asarray(frequency - ndimage.uniform_filter1d(frequency, n, axis=1), np.float64)


def _closed(spans: list[Span], gap: int) -> list[Span]:
    """Spans that overlap or are that near to each other, as one."""
    closed = [spans[0]]
    for first, end in spans[1:]:
        last = closed[-1]
        if first - last[1] <= gap:
            closed[-1] = (last[0], max(last[1], end))
        else:
            closed.append((first, end))
    return closed


def _around(
    samples: Samples, spans: list[Span], band: Band, rate_hz: float
) -> NDArray[np.complexfloating]:
    """A band while something is on, at a rate of its width."""
    left, parts = int(THRESHOLDS.seconds * rate_hz), []
    for first, end in spans:
        part = samples[first : min(end, first + left)]
        left -= len(part)
        n = fast_length(len(part))
        spectrum = np.fft.fft(part, n)
        n_kept = max(1, round(n * band.width))
        at = (round(band.centre * n) + np.arange(n_kept) - n_kept // 2) % n
        wave = np.fft.ifft(np.fft.ifftshift(spectrum[at])) * (n_kept / n)
        parts.append(wave[: round(len(part) * band.width)])
    return np.concatenate(parts)


def _frames(wave: NDArray[np.complexfloating], rate_hz: float) -> NDArray[np.complexfloating]:
    n = _n_frame(rate_hz)
    if len(wave) < n:
        return np.empty((0, n), np.complex128)
    return np.lib.stride_tricks.sliding_window_view(wave, n)[:: n // THRESHOLDS.steps]


def spoken_share(frames: Floats, rate_hz: float) -> float:
    """Share of the loud frames of a message that have a pitch; 0 if it is none of a voice.

    Of a clock all have the same, of noise hardly any has one.

    Args:
        frames: What the message is borne by, (n, time).
        rate_hz: Samples a second.
    """
    n = frames.shape[1]
    window = hann(n)
    varying = (frames - frames.mean(axis=1, keepdims=True)) * window
    power = (varying**2).sum(axis=1)
    loud = varying[power > THRESHOLDS.loud * power.mean()]
    low, high = int(rate_hz / THRESHOLDS.highest_hz), int(rate_hz / THRESHOLDS.lowest_hz)
    if len(loud) < THRESHOLDS.frames or not 2 < low < high < n:
        return 0.0
    own = np.maximum(_autocorrelation(window[np.newaxis]), 1e-3)
    alike = _autocorrelation(loud) / own
    lags = alike[:, low : high + 1].argmax(axis=1) + low
    height = alike[np.arange(len(loud)), lags]
    # What repeats itself sooner as well has no pitch so low: the beat of two lines.
    sooner = alike[:, int(rate_hz / THRESHOLDS.beat_hz) : low].max(axis=1, initial=0.0)
    is_peak = (lags > low) & (lags < high) & (sooner < THRESHOLDS.sooner * height)
    periodic = is_peak & (height > THRESHOLDS.periodic)
    if periodic.sum() < max(THRESHOLDS.pitches, THRESHOLDS.share * len(loud)):
        return 0.0
    pitch = rate_hz / lags[periodic]
    ratio = pitch / np.median(pitch)
    away = np.abs(ratio[:, np.newaxis] / np.array(_FRACTIONS) - 1).min(axis=1)
    is_gliding = (away < THRESHOLDS.same).mean() < THRESHOLDS.steady
    return float(periodic.mean()) if is_gliding else 0.0


def _autocorrelation(frames: Floats) -> Floats:
    """Of each frame, 1 at lag 0, (n, time)."""
    n = frames.shape[1]
    power = np.abs(np.fft.rfft(frames, fast_length(2 * n), axis=1)) ** 2
    product = np.fft.irfft(power, axis=1)[:, :n]
    return np.asarray(product / np.maximum(product[:, :1], 1e-300), np.float64)


def _occupied(
    frames: NDArray[np.complexfloating], around: Band, borne_by: str
) -> tuple[Band, float]:
    """The band that a voice fills over all of its time, and its SNR.

    A carrier, which is as strong in its pauses, is no part of its width.
    """
    n = frames.shape[1]
    power = np.abs(np.fft.fftshift(np.fft.fft(frames * hann(n), axis=1), axes=1)) ** 2
    mean = power.mean(axis=0)
    steady = np.quantile(power, THRESHOLDS.quiet, axis=0)
    noise = float(np.quantile(steady, THRESHOLDS.quiet_bins))
    noise /= mean_quantile(THRESHOLDS.quiet, 1)
    excess = ndimage.uniform_filter1d(mean - noise, _SMOOTH, mode="nearest")
    line = int(mean.argmax())
    if borne_by == "amplitude" and steady[line] > mean[line] / 2:
        excess[max(0, line - _LINE) : line + _LINE + 1] = 0.0
    excess = np.where(excess > noise * THRESHOLDS.least, excess, 0.0)
    first, end = occupied(excess if excess.any() else mean)
    total = max(float(mean[first:end].sum()) - noise * (end - first), 0.0)
    floor = max(noise * (end - first), total * 1e-10, 1e-300)
    middle = around.centre + ((first + end - 1) / 2 - n // 2) / n * around.width
    snr_db = 10 * np.log10(max(total / floor, 1e-3))
    return Band(middle, (end - first) / n * around.width), float(snr_db)
