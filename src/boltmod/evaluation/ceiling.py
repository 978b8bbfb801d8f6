"""The best accuracy that any classifier can have on the generator's frames.

A genie tells the receiver whatever it would have to estimate: carrier phase and offset, timing,
roll-off, gain and noise level. What is left unknown is the class, the symbols, and the noise; the
class is decided by the likelihoods, which are exact but for three steps, each of which can only
make the result better:

- the twin's pulse smears symbols into each other, and a frame cuts its first and last ones. The
  genie shows 128 whole symbols, each as the passband does, undisturbed (root raised cosines of the
  same roll-off and passband, the frame closed to a circle): from such samples the smeared ones
  could be made by filtering and adding noise, never the other way round;
- of FM, GMSK and a true single sideband it tells the message or the bits;
- of the other analog classes it tells the carrier's phase; their messages are averaged over.

So the figure is an upper bound, and what lies between it and a network is not all to be had.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Complex, Float, Int64
from torch import Tensor

from boltmod.data.twin import labels_at, n_frames
from boltmod.errors import ConfigError
from boltmod.evaluation.metrics import Evaluation
from boltmod.modulation import CLASSES, FRAME_LENGTH, N_CLASSES, SNR_LABELS, Modulation
from boltmod.signal import analog, constellations, likelihood, linear, noise, pulses
from boltmod.signal.draws import Draws, draw
from boltmod.signal.modulators import groups
from boltmod.signal.profile import Profile

_BATCH = 128
_N_SYMBOLS = FRAME_LENGTH // linear.SAMPLES_PER_SYMBOL

_LEAST_NOISE = 1e-6
"""Noise power that the receiver assumes at least: its arithmetic is in single precision."""


def ceiling(
    profile: Profile,
    frames_per_cell: int,
    seed: int,
    snr_labels: tuple[int, ...] = SNR_LABELS,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Let the genie's receiver classify frames.

    Args:
        profile: The signal model; its channel may have no more than a carrier offset.
        frames_per_cell: Frames of each (class, SNR) pair.
        seed: The generator's.
        snr_labels: SNR labels in dB.
        progress: Called with (frames done, frames in all).

    Raises:
        ConfigError: The profile has an impaired channel: then no likelihood is known here.
    """
    if profile.channel.impaired or profile.linear.keying.varied:
        raise ConfigError(
            f"profile must have a clean channel and plain symbols, which {profile.name} has not: "
            "no ceiling is known for it; ask for twin or textbook"
        )
    receiver = Receiver(profile)
    confusion = np.zeros((len(snr_labels), N_CLASSES, N_CLASSES), np.int64)
    total = n_frames(frames_per_cell)
    done = 0
    for first in range(0, total, _BATCH):
        class_ids, labels = labels_at(first, min(first + _BATCH, total), frames_per_cell)
        wanted = torch.isin(labels, torch.tensor(snr_labels))
        if wanted.any():
            scores = receiver.scores(class_ids, labels, seed, first)
            place = np.searchsorted(snr_labels, labels[wanted].numpy())
            answers = scores.argmax(1)[wanted].numpy()
            np.add.at(confusion, (place, class_ids[wanted].numpy(), answers), 1)
            done += len(answers)
        if progress is not None:
            progress(done, total * len(snr_labels) // len(SNR_LABELS))
    cells = f"{frames_per_cell} frame{'s' if frames_per_cell > 1 else ''} a cell"
    words = f"{profile.title}, seed {seed}, {cells}"
    return Evaluation(confusion, snr_labels, "genie-aided likelihood", words, CLASSES)


class Receiver:
    """Likelihoods of frames about which all but class, symbols and noise is known."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        shape = profile.linear.constellations
        self.constant = constellations.mean_power(shape, torch.device("cpu")).double()
        self.alphabets = {
            m.index: constellations.points(m, shape).to(torch.complex64)
            for m in Modulation
            if constellations.is_linear(m)
        }

    def scores(
        self, class_ids: Int64[Tensor, " n"], snr_labels: Int64[Tensor, " n"], seed: int, first: int
    ) -> Float[Tensor, "n 24"]:
        """Make frames and say how likely each class is.

        Args:
            class_ids: Their classes.
            snr_labels: Their SNR labels in dB.
            seed: The generator's.
            first: Global index of the first frame.

        Returns:
            Log likelihood ratios to noise alone, float64.
        """
        draws = draw(seed, first, len(class_ids), self.profile, torch.device("cpu"))
        snr_db = noise.snr_db_of_label(snr_labels.float(), self.profile.noise)
        std = noise.amplitude(snr_db).double()
        iq = self._signals(class_ids, draws) + std[:, None] * _complex(draws.noise)
        power = (2 * std.square()).clamp_min(_LEAST_NOISE)
        scores = torch.full((len(iq), N_CLASSES), -math.inf, dtype=torch.float64)
        self._linear(iq, draws, power, scores)
        self._amplitude(iq, draws, power, scores)
        for modulation in (Modulation.FM, Modulation.GMSK):
            scores[:, modulation.index] = self._known(modulation, iq, draws, power)
        return scores

    def _known(
        self,
        modulation: Modulation,
        iq: Complex[Tensor, "n time"],
        draws: Draws,
        power: Float[Tensor, " n"],
    ) -> Float[Tensor, " n"]:
        """Gain of a class whose message or bits the genie tells."""
        known = self._signals(torch.full((len(iq),), modulation.index), draws)
        return likelihood.known_gain(iq, known, power)

    def _signals(self, class_ids: Int64[Tensor, " n"], draws: Draws) -> Complex[Tensor, "n time"]:
        """Signals without carrier and noise, symbols undisturbed, as strong as in passband."""
        signal = torch.empty(len(class_ids), FRAME_LENGTH, dtype=torch.complex128)
        is_linear = torch.isin(class_ids, torch.tensor(constellations.LINEAR))
        for modulator, rows in groups(class_ids):
            mine, ids = draws.of(rows), class_ids[rows]
            if is_linear[rows[0]]:
                symbols = linear.symbols(ids, mine.symbols[:, :_N_SYMBOLS], self.profile.linear)
                late = 0.5 * (ids == Modulation.OQPSK.index)
                shaped = _shape(symbols.double(), self._pulse(mine, late))
                signal[rows] = shaped * self._passband(ids, mine)[:, None]
            else:
                signal[rows] = _complex(modulator(ids, mine, self.profile)[0])
        return signal

    def _passband(self, class_ids: Int64[Tensor, " n"], draws: Draws) -> Float[Tensor, " n"]:
        """By how much the amplitude in the passband exceeds that of a mean power of one."""
        pulse, constant = self.profile.linear.pulse, self.constant[class_ids]
        energy = pulses.energy(draws.rolloff(pulse.rolloff).double(), pulse.exponent)
        return ((1 - constant) * energy + constant).rsqrt()

    def _pulse(self, draws: Draws, late: Float[Tensor, " n"]) -> Complex[Tensor, "n 2 time"]:
        """Spectra of root raised cosines for I and Q, Q being late by part of a symbol."""
        frequency = torch.fft.fftfreq(_N_SYMBOLS * 8, 1 / 8, dtype=torch.float64)
        rolloff = draws.rolloff(self.profile.linear.pulse.rolloff).double()[:, None]
        height = 8 * pulses.cosine_power_spectrum(
            frequency.expand(len(rolloff), -1), rolloff.expand(-1, len(frequency)), 1.0
        )
        delay = draws.timing.double()[:, None] + torch.stack([torch.zeros_like(late), late], 1)
        return height[:, None] * torch.exp(-2j * math.pi * delay[:, :, None] * frequency)

    def _linear(
        self,
        iq: Complex[Tensor, "n time"],
        draws: Draws,
        power: Float[Tensor, " n"],
        scores: Float[Tensor, "n 24"],
    ) -> None:
        planes = torch.stack([iq.real, iq.imag], 1)
        spectrum, none = torch.fft.fft(planes), torch.zeros(len(iq))
        matched = {
            late: _complex(torch.fft.ifft(spectrum * self._pulse(draws, none + late).conj()).real)
            for late in (0.0, 0.5)
        }
        energy = torch.full((len(iq), 2, _N_SYMBOLS), float(linear.SAMPLES_PER_SYMBOL))
        for class_id, alphabet in self.alphabets.items():
            gain = self._passband(torch.full((len(iq),), class_id), draws)[:, None]
            outputs = matched[0.5 if class_id == Modulation.OQPSK.index else 0.0][:, ::8] * gain
            scores[:, class_id] = likelihood.alphabet_gain(
                outputs.to(torch.complex64),
                energy * gain[:, None].square().float(),
                alphabet,
                power.float(),
            )

    def _amplitude(
        self,
        iq: Complex[Tensor, "n time"],
        draws: Draws,
        power: Float[Tensor, " n"],
        scores: Float[Tensor, "n 24"],
    ) -> None:
        ahead = torch.floor(draws.carrier_phase * 4096).long()
        for modulation, shape in analog.amplitude_classes(self.profile.analog).items():
            column = modulation.index
            if shape.quadrature:
                scores[:, column] = self._known(modulation, iq, draws, power)
            elif shape.carrier_frequency == 0:
                scores[:, column] = likelihood.envelope(shape, None).gain(iq, power)
            else:
                period = likelihood.carrier_period(shape)
                for step in range(period):
                    rows = ahead % period == step
                    if rows.any():
                        model = likelihood.envelope(shape, step)
                        scores[rows, column] = model.gain(iq[rows], power[rows])


def _shape(
    symbols: Float[Tensor, "n 2 k"], pulse: Complex[Tensor, "n 2 time"]
) -> Complex[Tensor, "n time"]:
    """Symbols times a pulse, on a circle."""
    impulses = symbols.new_zeros(*symbols.shape[:2], pulse.shape[-1])
    impulses[:, :, :: pulse.shape[-1] // symbols.shape[-1]] = symbols
    return _complex(torch.fft.ifft(torch.fft.fft(impulses) * pulse).real)


def _complex(planes: Float[Tensor, "n 2 time"]) -> Complex[Tensor, "n time"]:
    """I + jQ in double precision."""
    return torch.complex(planes[:, 0].double(), planes[:, 1].double())
