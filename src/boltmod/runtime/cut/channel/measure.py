"""What a detected signal is like: its band in finer steps, its carrier, its symbol rate."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from boltmod.recording.analytic import Samples
from boltmod.runtime.cut.band import N_BINS, Band, occupied
from boltmod.runtime.cut.channel import analog, carrier, keying, prefix, symbol_rate
from boltmod.runtime.cut.channel.detection import Detection, Span
from boltmod.runtime.cut.channel.keying import Keying
from boltmod.runtime.cut.channel.noise import is_mostly_noise
from boltmod.runtime.cut.channel.prefix import Prefix
from boltmod.runtime.cut.channel.select import Channel, select
from boltmod.runtime.cut.channel.spectra import welch
from boltmod.runtime.cut.channel.symbol_rate import SymbolRate

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """What a signal is measured by.

    Args:
        samples: Samples that are looked at, at most (count).
        narrow: Bands narrower than that are measured again in finer bins (cycles a sample).
        oversampling: Samples that a signal is looked at in (a bandwidth).
        tone_segment: Samples of a spectrum that tells a tone (count).
        tone_share: Share of the power in one line that makes a tone (ratio).
        tone_width: Width of such a line, at most (bandwidths of the box).
        sideband_amplitude: How much more a carrier's amplitude changes than its phase (ratio of
            powers) if it is modulated: 1 for noise, 0 for what an oscillator's phase does.
        sidebands: Bandwidths in which a carrier's sidebands are looked for, in turn (count).
        sidebands_fill: Share of such a band that they fill (ratio), from which on they may be
            wider.
        slow: Samples over which a carrier's own phase and level stay as they are (count).
        real: How improper a message on both sidebands is, at least (1 for a real one).
        line_share: Share of the power in one line (ratio) beside which there may be more.
        wider: Bandwidths that are looked at again around such a line (count).
        click: Bandwidths of time that most of the power comes in (count), of a click.
        impulse: Samples of the band that most of the power comes in (count), of an impulse.
        keyed_spans: Spans from which on gaps may be a keyed carrier's (count).
        keyed_gap: Such gaps (lengths of the longest span).
        hump_db: What is so far below a carrier while it is on is no part of it.
        off_centre: Distance of a carrier from the middle of its box (bandwidths) that makes the box
            one of an overloaded receiver.
        smoothed: Bins over which a narrow band's edges are averaged (count).
        by_chance: Deviations of the noise beside it that are no part of it (count).
        symbols_wide: Half of a keyed carrier's bandwidth, at least (symbol rates).
    """

    samples: int = 1 << 17
    narrow: float = 16 / N_BINS
    oversampling: float = 4.0
    tone_segment: int = 8192
    tone_share: float = 0.9
    tone_width: float = 0.02
    sideband_amplitude: float = 1.4
    sidebands: tuple[float, ...] = (4.0, 16.0, 64.0)
    sidebands_fill: float = 0.7
    slow: int = 256
    real: float = 0.5
    line_share: float = 0.5
    wider: tuple[float, ...] = (4.0, 16.0)
    click: float = 6.0
    impulse: float = 64.0
    keyed_spans: int = 4
    keyed_gap: float = 2.0
    hump_db: float = 20.0
    off_centre: float = 0.1
    smoothed: int = 5
    by_chance: float = 2.0
    symbols_wide: float = 4.0


THRESHOLDS = Thresholds()
_FINE = 256
_BEGINS = 40
"""Samples in which a channel's filter begins and ends."""
_TONE_BINS = 5
_HUMP_BINS = 9
_ALL = 0.95
"""Of the band that a channel may fill."""


@dataclass(frozen=True)
class Character:
    """How a signal is modulated, as far as its waveform tells without a network.

    Args:
        keying: `on-off`, `amplitude` (two levels, neither of them nothing), `frequency` (from tone
            to tone); empty if it is none of them.
        n_tones: Tones of a frequency keying; 0 without.
        deviation: Half of the distance of the outermost tones, in cycles a sample.
        on_share: Share of the time that a keyed carrier is on.
        low: Amplitude of the lower of two levels over the higher one's.
        envelope_variation: Deviation of the amplitude over its mean, while it is on.
        is_sure: Whether the switching instants keep a clock.
        message: What analog message it bears, in words; empty if none is known.
        message_in: What bears it, `amplitude` or `frequency`.
    """

    keying: str = ""
    n_tones: int = 0
    deviation: float = 0.0
    on_share: float = 1.0
    low: float = 1.0
    envelope_variation: float = 0.0
    is_sure: bool = False
    message: str = ""
    message_in: str = ""


@dataclass(frozen=True)
class Measured:
    """A detection and what was measured of it, in cycles and symbols a sample.

    Args:
        detection: Where it is, its band in finer steps if it is narrow.
        carrier: Its carrier's frequency; None if nothing tells.
        carrier_order: Power of the signal that the carrier's line was found in; 0 without.
        line: Its symbol rate; None if nothing tells.
        power: Mean power while it is on, noise included.
        carrier_told_by: What told the carrier, in words.
        character: How it is modulated.
        is_bare: Whether it is but a carrier, nothing changes in it.
        spectrum: Its power above the noise, (2, n): frequencies and power.
        prefix: The symbols of a multicarrier signal, in samples; None if it has no cyclic prefix.
    """

    detection: Detection
    carrier: float | None
    carrier_order: int
    line: SymbolRate | None
    power: float
    carrier_told_by: str = ""
    character: Character = field(default_factory=Character)
    is_bare: bool = False
    spectrum: Floats | None = field(default=None, repr=False, compare=False)
    prefix: Prefix | None = None

    def share_within(self, centre: float, width: float) -> float | None:
        """Share of its power that lies in a band; None if it was not measured."""
        if self.spectrum is None or not self.spectrum[1].sum():
            return None
        frequency, power = self.spectrum
        away = np.abs((frequency - centre + 0.5) % 1 - 0.5)
        return float(power[away <= width / 2].sum() / power.sum())


@dataclass(frozen=True)
class _Place:
    """A carrier, in cycles a sample of the signal alone; how many powers, and what told it."""

    offset: float | None
    order: int
    told_by: str


def measure(
    samples: Samples,
    start: int,
    found: Detection,
    is_given: bool = False,
    rate_hz: float = 0.0,
) -> Measured | None:
    """Look closer at a signal.

    Args:
        samples: A piece of the recording.
        start: Number of its first sample, which the spans count from.
        found: The signal.
        is_given: Whether somebody knows that it is there, and how wide.
        rate_hz: Samples a second; 0 if that is not known.

    Returns:
        None if it is a click, or noise that a receiver's filter has shaped, and nobody knows
        better.
    """
    if found.voice_in and not is_given:
        return _of_voice(samples, start, found)
    box = found
    if found.band.width < THRESHOLDS.narrow and not is_given:
        found = _narrowed(samples, start, found)
    alone, rate = _alone(samples, start, found, 1.0)
    if not len(alone) or not np.any(alone):
        return Measured(found, None, 0, None, 0.0) if is_given else None
    keyed = keying.measure(alone)
    if not is_given and not (keyed is not None and keyed.is_clocked) and _is_line(alone):
        # Most of the power may be a carrier alone, and what it carries beside it.
        for wider in THRESHOLDS.wider:
            band = Band(found.band.centre, min(wider * found.band.width, _ALL))
            more, more_rate = _alone(samples, start, replace(found, band=band), 1.0)
            again = keying.measure(more)
            if again is not None and again.is_clocked:
                found, alone, rate, keyed = replace(found, band=band), more, more_rate, again
                break
    first, end = found.spans[0][0], found.spans[-1][1]
    always = bool(found.clear) or (first <= start and end >= start + len(samples))
    is_bare = (
        keyed is None
        and always
        and _is_tone(alone, found.snr_db)
        and not _has_sidebands(_alone(samples, start, box, 1.0)[0])
    )
    wide = _with_sidebands(samples, start, box) if is_bare and not is_given else None
    if wide is not None:
        found, is_bare = wide, False
        alone, rate = _alone(samples, start, found, 1.0)
    bandwidth = found.band.width / rate
    if not is_given and not is_bare and _is_click(alone, bandwidth, rate):
        return None
    line = symbol_rate.estimate(alone, bandwidth, keyed)
    is_sure = line is not None and line.is_sure
    symbols = None if is_sure or keyed is not None else prefix.find(alone, bandwidth)
    if symbols is None and _is_noise(alone, found, is_sure):
        return None
    message = ""
    if (keyed is None or keyed.is_frequency) and not is_bare and symbols is None:
        message = analog.on_frequency(alone, bandwidth, rate * rate_hz)
    if keyed is not None and message:
        # The swings of a picture's subcarrier keep a clock as well; tones are no voice.
        is_sine = message == analog.SUBCARRIER and not keying.keeps_two_tones(alone)
        message = message if is_sine else ""
        keyed, is_sure = (None, False) if message else (keyed, is_sure)
    if message == "a voice" and is_sure:
        message = ""
    if message:
        line = None
    place = _mean_frequency(alone) if message else _place(alone, bandwidth, keyed, line)
    offset = place.offset
    middle = None if offset is None else found.band.centre + offset * rate
    line = None if line is None else replace(line, rate=line.rate * rate)
    if keyed is not None and middle is not None and line is not None and not is_given:
        found = _around(found, middle, line.rate)
    return Measured(
        found,
        middle,
        place.order,
        line,
        float(np.mean(np.abs(alone.astype(np.complex128)) ** 2)),
        place.told_by,
        replace(
            _character(alone, rate, keyed, line),
            message=message,
            message_in="frequency" if message else "",
        ),
        is_bare,
        _spectrum(alone, rate, found),
        None if symbols is None else Prefix(symbols.useful / rate, symbols.period / rate),
    )


def _is_noise(alone: Samples, found: Detection, is_sure: bool) -> bool:
    """Whether what has no cyclic prefix is but noise that a receiver's filter has shaped."""
    if np.isnan(found.snr_db):
        return found.is_doubtful and (not is_sure or is_mostly_noise(alone))
    return found.is_doubtful and not is_sure and is_mostly_noise(alone)


def _of_voice(samples: Samples, start: int, found: Detection) -> Measured:
    """A voice: it has no clock, and what of its powers has a line may be a tone of it."""
    alone, rate = _alone(samples, start, found, 1.0)
    if found.voice_in == "frequency":
        place = _mean_frequency(alone)
    else:
        place = _of_amplitude(alone, found.band.width / rate)
    return Measured(
        found,
        None if place.offset is None else found.band.centre + place.offset * rate,
        place.order,
        None,
        float(np.mean(np.abs(alone.astype(np.complex128)) ** 2)) if len(alone) else 0.0,
        place.told_by,
        replace(_character(alone, rate, None, None), message="a voice", message_in=found.voice_in),
        spectrum=_spectrum(alone, rate, found),
    )


def _mean_frequency(alone: Samples) -> _Place:
    """Where a carrier is whose frequency bears sound: sound has no mean."""
    turn = complex((alone[1:].astype(np.complex128) * alone[:-1].conj()).sum())
    return _Place(float(np.angle(turn)) / (2 * np.pi), 0, "the mean of the frequency")


def _of_amplitude(alone: Samples, bandwidth: float) -> _Place:
    """Where the carrier of a voice is, if a line of its own, or of both sidebands, tells."""
    seen = carrier.find(alone, bandwidth)
    if seen is not None and seen.order == 1:
        return _Place(seen.offset, 1, "a line of x")
    if seen is not None and seen.order == 2 and _is_real(alone, seen):
        return _Place(seen.offset, 2, "a line of x²")
    return _Place(None, 0, "the middle of the band")


def _is_real(alone: Samples, seen: carrier.Carrier) -> bool:
    """Whether both sides of a carrier bear the same, so that it is a real message around it."""
    turn = np.exp(-2j * np.pi * seen.offset * np.arange(len(alone)))
    n = len(alone) // THRESHOLDS.slow * THRESHOLDS.slow
    blocks = (alone * turn)[:n].reshape(-1, THRESHOLDS.slow)
    improper = np.abs((blocks**2).sum(axis=1)).sum()
    return bool(improper > THRESHOLDS.real * (np.abs(blocks) ** 2).sum())


def _place(
    alone: Samples, bandwidth: float, keyed: Keying | None, line: SymbolRate | None
) -> _Place:
    """Where the carrier is, by what tells it best."""
    if keyed is not None and keyed.is_frequency:
        return _Place((keyed.low + keyed.high) / 2, 0, "the middle between two tones")
    if keyed is not None:
        return _Place(_hump(alone, keyed), 1, "the strongest line while it is on")
    first, end = keying.bursts(alone)[0]
    tones = None
    if line is not None and line.is_keyed:
        tones = keying.tones(alone[first:end])
    if tones is not None:
        return _Place(float(tones[0].mean()), 0, "the middle between the tones")
    on = alone[first:end]
    is_offset = line is not None and line.clock == symbol_rate.OFFSET
    seen = None if is_offset else carrier.find(alone, bandwidth)
    if seen is not None and seen.order == 2 and symbol_rate.is_constant(on, bandwidth):
        # Of a frequency modulation it is a line beside the carrier.
        return _mean_frequency(on)
    if seen is not None:
        powers = {1: "x", 2: "x²", 4: "x⁴"}
        return _Place(seen.offset, seen.order, f"a line of {powers[seen.order]}")
    pair = symbol_rate.lines_of_square(on, bandwidth)
    if pair is not None:
        return _Place(sum(pair) / 4, 4, "the middle between two lines of x²")
    return _Place(None, 0, "the middle of the band")


def _hump(alone: Samples, keyed: Keying) -> float:
    """Mean frequency of the strongest hump of a carrier's spectrum while it is on."""
    n = 1 << 10
    on = np.zeros(len(alone), np.bool_)
    for start, end in keyed.runs:
        on[start:end] = True
    _, power = welch(np.where(on, alone, 0), min(n, len(alone)), n)
    power = ndimage.uniform_filter1d(power, _HUMP_BINS, mode="wrap")
    best = int(power.argmax())
    power = np.roll(power, n // 2 - best)
    over = power > power[n // 2] * 10 ** (-THRESHOLDS.hump_db / 10)
    below, above = np.flatnonzero(~over[: n // 2]), np.flatnonzero(~over[n // 2 :])
    first = int(below[-1]) + 1 if len(below) else 0
    end = n // 2 + int(above[0]) if len(above) else n
    weight = power[first:end]
    mean = float((np.arange(first, end) * weight).sum() / weight.sum())
    return ((best + mean - n // 2) / n + 0.5) % 1 - 0.5


def _around(found: Detection, middle: float, rate: float) -> Detection:
    """The box around a carrier that is not in the middle of it, as an overloaded receiver's."""
    band = found.band
    if abs(middle - band.centre) < THRESHOLDS.off_centre * band.width:
        return found
    half = max(band.width / 2 - abs(middle - band.centre), THRESHOLDS.symbols_wide * rate)
    return replace(found, band=Band(middle, min(2 * half, band.width)))


def _character(
    alone: Samples, rate: float, keyed: Keying | None, line: SymbolRate | None
) -> Character:
    """How it is modulated."""
    first, end = keying.bursts(alone)[0]
    magnitude = np.abs(alone[first:end].astype(np.complex128))
    variation = float(magnitude.std() / max(magnitude.mean(), 1e-30))
    is_sure = line is not None and line.is_sure
    if keyed is not None and keyed.is_frequency:
        deviation = (keyed.high - keyed.low) / 2 * rate
        return Character("frequency", 2, deviation, keyed.on_share, 1.0, variation, is_sure)
    if keyed is not None:
        how = "on-off" if keyed.low < _NEARLY_OFF else "amplitude"
        return Character(how, 0, 0.0, keyed.on_share, keyed.low, variation, is_sure)
    tones = keying.tones(alone[first:end]) if line is not None and line.is_keyed else None
    kept = None
    if tones is not None and line is not None:
        kept = keying.kept_levels(tones[1], rate / line.rate)
    if kept is not None:
        deviation = float(np.ptp(kept)) / 2 * rate
        return Character("frequency", len(kept), deviation, 1.0, 1.0, variation, is_sure)
    return Character(envelope_variation=variation)


_NEARLY_OFF = 0.25
"""Amplitude of an off over that of an on: what is less is noise, or leaks."""


def _spectrum(alone: Samples, rate: float, found: Detection) -> Floats:
    """Power above the noise over frequency, (2, 256)."""
    n = min(len(alone), _FINE)
    frequency, power = welch(alone, n)
    snr = 0.0 if np.isnan(found.snr_db) else 10 ** (found.snr_db / 10)
    own = np.abs(frequency) * rate < found.band.width * 0.625
    noise = power.sum() / max(int(own.sum()), 1) / (1 + snr)
    excess = np.where(own, np.maximum(power - noise, 0), 0)
    return np.stack([found.band.centre + frequency * rate, excess])


def _alone(samples: Samples, start: int, found: Detection, widened: float) -> tuple[Samples, float]:
    """The signal while it is on longest, around 0 Hz, and its samples a sample of the band."""
    rate = min(2.0, THRESHOLDS.oversampling * found.band.width)
    if found.clear:
        first, end = max(found.clear, key=lambda span: span[1] - span[0])
    else:
        first, end = _longest(found.spans)
    end = min(end, first + int(THRESHOLDS.samples / rate))
    channel = Channel(found.band.centre, found.band.width * widened, rate)
    parts = list(select([samples[first - start : end - start]], channel))
    return np.concatenate(parts or [np.empty(0, np.complex64)]), rate


def _longest(spans: tuple[Span, ...]) -> Span:
    """The longest time that a signal is on; a keyed carrier's short gaps do not end it."""
    longest = max(end - start for start, end in spans)
    if len(spans) < THRESHOLDS.keyed_spans:
        return max(spans, key=lambda span: span[1] - span[0])
    joined = [spans[0]]
    for span in spans[1:]:
        if span[0] - joined[-1][1] <= THRESHOLDS.keyed_gap * longest:
            joined[-1] = (joined[-1][0], span[1])
        else:
            joined.append(span)
    return max(joined, key=lambda span: span[1] - span[0])


def _narrowed(samples: Samples, start: int, found: Detection) -> Detection:
    """The detection with its band in steps of a 64th of it."""
    alone, rate = _alone(samples, start, found, 2.0)
    if len(alone) < 4 * _FINE:
        return found
    _, spectrum = welch(alone, _FINE)
    spectrum = np.fft.fftshift(spectrum)
    offset = np.fft.fftshift(np.fft.fftfreq(_FINE)) * rate / found.band.width
    beside = (np.abs(offset) > 0.7) & (np.abs(offset) < 1.1)
    own = np.abs(offset) <= 0.75
    level = float(np.median(spectrum[beside]))
    excess = np.maximum(spectrum - level, 0)
    # What noise does by chance is no part of a weak signal's width.
    smooth = ndimage.uniform_filter1d(spectrum, THRESHOLDS.smoothed)
    chance = level + THRESHOLDS.by_chance * float((smooth[beside] - level).std())
    above = np.where(smooth > chance, excess, 0)[own]
    excess = above if above.any() else excess[own]
    if not excess.sum():
        return found
    first, end = occupied(excess)
    edges = offset[own][[first, end - 1]] * found.band.width
    step = rate / _FINE
    centre = found.band.centre + float(edges.mean())
    return replace(found, band=Band(centre, float(edges[1] - edges[0]) + 2 * step))


def _is_click(alone: Samples, bandwidth: float, rate: float) -> bool:
    """Whether most of the power comes within the time of a few symbols."""
    power = np.abs(alone.astype(np.complex128)) ** 2
    n_lasting = power.sum() ** 2 / (power**2).sum()
    return bool(n_lasting * bandwidth < THRESHOLDS.click or n_lasting < THRESHOLDS.impulse * rate)


def _is_line(alone: Samples) -> bool:
    """Whether most of the power is in one line while a signal is on longest."""
    first, end = keying.bursts(alone)[0]
    return end - first >= _FINE and _is_tone(alone[first:end], share=THRESHOLDS.line_share)


def _is_tone(alone: Samples, snr_db: float = np.inf, share: float = THRESHOLDS.tone_share) -> bool:
    """Whether all but the noise is in one line, as wide as an oscillator drifts."""
    n = min(len(alone), THRESHOLDS.tone_segment)
    _, spectrum = welch(alone, n, of_most=True)
    reach = max(_TONE_BINS // 2, int(THRESHOLDS.tone_width * n / THRESHOLDS.oversampling / 2))
    near = np.arange(-reach, reach + 1) + int(spectrum.argmax())
    line = float(np.take(spectrum, near, mode="wrap").sum())
    noise = 0.0 if np.isnan(snr_db) else 1 / (1 + 10 ** (snr_db / 10))
    return line > share * (1 - noise) * float(spectrum.sum())


def _with_sidebands(samples: Samples, start: int, box: Detection) -> Detection | None:
    """A carrier's box, widened to the sidebands beside it; None if there are none.

    In the pauses of a voice there are none, so that what is always there is the carrier alone.
    """
    found = None
    for wider in THRESHOLDS.sidebands:
        band = Band(box.band.centre, min(wider * box.band.width, _ALL))
        wave, rate = _alone(samples, start, replace(box, band=band), 1.0)
        steady = _beside_carrier(wave)
        if not _is_amplitude(steady):
            break
        n = min(len(steady), _FINE)
        frequency, in_phase = welch(steady.real + 0j, n)
        excess = np.maximum(in_phase - welch(steady.imag + 0j, n)[1], 0)[frequency > 0]
        _, end = occupied(excess)
        width = 2 * float(frequency[frequency > 0][end - 1]) * rate
        found = replace(box, band=Band(band.centre, min(max(width, box.band.width), band.width)))
        if width < THRESHOLDS.sidebands_fill * band.width:
            break
    return found


def _has_sidebands(alone: Samples) -> bool:
    """Whether a carrier's amplitude changes more than its phase: noise changes both alike."""
    return _is_amplitude(_beside_carrier(alone))


def _is_amplitude(steady: NDArray[np.complexfloating]) -> bool:
    if not len(steady):
        return False
    in_phase, across = float(steady.real.var()), float(steady.imag.var())
    return in_phase > THRESHOLDS.sideband_amplitude * across


def _beside_carrier(alone: Samples) -> NDArray[np.complexfloating]:
    """A signal over its carrier, whose own phase and level are taken out: 1 where nothing is."""
    frequency, spectrum = welch(alone, min(len(alone), THRESHOLDS.tone_segment))
    turn = np.exp(-2j * np.pi * frequency[int(spectrum.argmax())] * np.arange(len(alone)))
    wave: NDArray[np.complexfloating] = (alone * turn)[_BEGINS:-_BEGINS]
    if not len(wave):
        return wave
    slow = ndimage.uniform_filter1d(wave, min(len(wave), THRESHOLDS.slow))
    is_on = np.abs(slow) > 0
    return np.asarray(wave[is_on] / slow[is_on])
