"""How closely the twin agrees with RadioML 2018.01A.

    python bench/twin_agreement.py --frames-per-cell 256 --seed 20260101 \
        [--referees FOLDER] [--real-frames FILE.npz]

- Published statistics of the real data set beside the same ones of the twin.
- With --referees: networks that others trained on the real data, `*.onnx`; `published.json` with
  the accuracy that they reached there; `NAME_answers.npz` with the answers of the networks
  `NAME_*.onnx` to real frames, per network an array (26 labels, 24 true, 24 answered). They answer
  the twin as they answered the real frames if the two look alike to them.
- With --real-frames: genuine BPSK and QPSK frames of label 30 dB, arrays `X` (n, k, 2 or 2, k) and
  `y_true_order` (n,), to compare spectra, amplitudes, zero crossings and carrier offsets with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import ks_2samp

from boltmod.data.loader import Batch
from boltmod.data.statistics import (
    REAL_MEAN_POWER,
    REAL_MEAN_POWER_BY_SNR,
    REAL_SHARE_BEYOND_TWO,
    gather,
)
from boltmod.data.threads import one_thread
from boltmod.data.twin import twin_cells
from boltmod.modulation import CLASSES, N_CLASSES, SNR_LABELS, Modulation
from boltmod.runtime.session import Classifier
from boltmod.signal.generator import generate
from boltmod.signal.profile import TWIN

Samples = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.float64]


HIGH = np.array(SNR_LABELS) >= 16
"""SNR labels from which classes are compared one by one: noise hides nothing there."""


class Referee:
    """Counts a network's answers, by SNR label, class and answer, beside those to real frames.

    Args:
        path: The network.
        published: Accuracies its authors measured, if they did.
        genuine: Its answers to real frames, (26, 24, 24), if they are at hand.
    """

    def __init__(self, path: Path, published: dict[str, Any], genuine: Counts | None) -> None:
        self.name = path.stem
        self.published = published
        self.genuine = genuine
        self.classifier = Classifier(path)
        self.answers = np.zeros((len(SNR_LABELS), N_CLASSES, N_CLASSES))

    def see(self, batch: Batch) -> None:
        """Classifies a batch."""
        iq_planes, class_ids, snr_labels = batch
        answers = self.classifier.logits(iq_planes, scale=False).argmax(1)
        np.add.at(self.answers, (np.searchsorted(SNR_LABELS, snr_labels), class_ids, answers), 1)

    def report(self) -> tuple[float, float]:
        """Prints its accuracy beside the real one.

        Returns:
            How far the accuracies are apart, and those of the farthest class from label 16 up.
        """
        overall = share(self.answers)
        real = self.published.get("overall", np.nan)
        if self.genuine is not None:
            real = share(self.genuine)
        print(f"\n{self.name}: {overall:.4f}, real {real:.4f}, apart by {abs(overall - real):.4f}")
        curves = [("twin", by_label(self.answers)), ("real", self._real_by_label())]
        for name, curve in curves:
            if curve is not None:
                points = zip(SNR_LABELS, curve, strict=True)
                print(f"  {name} " + " ".join(f"{s:+d}:{v:.3f}" for s, v in points))
        twin, truth = by_class(self.answers[HIGH]), self._real_by_class()
        gaps = {name: twin[CLASSES.index(name)] - value for name, value in truth.items()}
        print("  classes from label 16 up, twin (real), farthest first:")
        for name in sorted(gaps, key=lambda name: -abs(gaps[name])):
            print(f"    {name:<10} {twin[CLASSES.index(name)]:.3f} ({truth[name]:.3f})")
        if self.genuine is not None:
            self._compare_answers(self.genuine)
        return abs(overall - real), max(map(abs, gaps.values()), default=0.0)

    def _real_by_label(self) -> Floats | None:
        if self.genuine is not None:
            return by_label(self.genuine)
        return np.array(self.published["by_snr"]) if "by_snr" in self.published else None

    def _real_by_class(self) -> dict[str, float]:
        if self.genuine is not None:
            return dict(zip(CLASSES, by_class(self.genuine[HIGH]).tolist(), strict=True))
        read_off = self.published.get("by_class_at_30_db_read_off_its_plot", {})
        return {name: value for name, value in read_off.items() if name in CLASSES}

    def _compare_answers(self, genuine: Counts) -> None:
        """Prints the total variation between answers to the twin's and to real frames."""
        apart = total_variation(self.answers, genuine)
        chance = total_variation(*resampled(self.answers, genuine))
        print(f"  answers: total variation {apart.mean():.3f} over all labels and classes, where "
              f"the same frames drawn twice would have {chance.mean():.3f}; farthest:")  # fmt: skip
        excess = apart - chance
        for place in np.argsort(-excess, axis=None)[:8]:
            label, name = np.unravel_index(place, excess.shape)
            print(f"    {CLASSES[name]:<10} label {SNR_LABELS[label]:+d}: {apart[label, name]:.2f}"
                  f" ({chance[label, name]:.2f} by chance)")  # fmt: skip


def share(answers: Counts) -> float:
    """Share of right answers."""
    return float(answers.trace(axis1=1, axis2=2).sum() / answers.sum())


def by_label(answers: Counts) -> Floats:
    """Share of right answers at each label."""
    return np.asarray(answers.trace(axis1=1, axis2=2) / answers.sum((1, 2)))


def by_class(answers: Counts) -> Floats:
    """Share of right answers of each class."""
    total = answers.sum(0)
    return np.asarray(total.diagonal() / total.sum(1))


def total_variation(one: Counts, other: Counts) -> Floats:
    """Half the sum of differences of two distributions of answers; (labels, classes)."""
    shares = [counts / counts.sum(2, keepdims=True) for counts in (one, other)]
    return np.asarray(np.abs(shares[0] - shares[1]).sum(2) / 2)


def resampled(one: Counts, other: Counts) -> tuple[Counts, Counts]:
    """As many answers as both have, drawn from their common distribution."""
    rng = np.random.default_rng(0)
    both = one / one.sum(2, keepdims=True) + other / other.sum(2, keepdims=True)
    common = both / both.sum(2, keepdims=True)
    first, second = (rng.multinomial(c.sum(2).astype(int), common) for c in (one, other))
    return first.astype(float), second.astype(float)


def seen(batches: Iterator[tuple[torch.Tensor, ...]], referees: list[Referee]) -> Iterator[Batch]:
    """Shows every batch to the referees on its way."""
    for frames, class_ids, snr_labels in batches:
        batch = (frames.numpy(), class_ids.numpy(), snr_labels.numpy())
        for referee in referees:
            referee.see(batch)
        yield batch


def compare_statistics(frames_per_cell: int, seed: int, referees: list[Referee]) -> None:
    with one_thread():
        batches = twin_cells(frames_per_cell, seed, batch=2048)
        statistics = gather(seen(batches, referees))
    print("mean power                real    twin  difference")
    for name, real in REAL_MEAN_POWER.items():
        line(name, real, statistics.mean_power[name])
    for snr, level in REAL_MEAN_POWER_BY_SNR.items():
        line(f"all classes, label {snr}", level, statistics.mean_power_by_snr[snr])
    print("share of I and Q beyond 2 at label 30")
    for name, real in REAL_SHARE_BEYOND_TWO.items():
        line(name, real, statistics.share_beyond_two(30)[name])


def line(name: str, real: float, twin: float) -> None:
    print(f"  {name:<20} {real:>7.4g} {twin:>7.4g} {100 * (twin / real - 1):>+8.1f} %")


def power_spectrum(iq: Samples) -> Floats:
    """Average periodogram under a Hann window."""
    window = np.hanning(iq.shape[1])
    return np.asarray((np.abs(np.fft.fft(iq * window)) ** 2).mean(0))


def carrier_offsets(iq: Samples) -> Floats:
    """Carrier offset of BPSK frames, rad/sample: the slope of the phase of the square."""
    time = np.arange(iq.shape[1])
    square = iq**2
    slope = np.angle((square[:, 1:] * square[:, :-1].conj()).sum(1))
    for _ in range(5):
        level = square * np.exp(-1j * slope[:, None] * time)
        phase = np.angle(level * np.exp(-1j * np.angle(level.sum(1)))[:, None])
        weight = np.abs(level)
        middle = (weight * time).sum(1) / weight.sum(1)
        away = time - middle[:, None]
        slope += (weight * away * phase).sum(1) / (weight * away**2).sum(1)
    return np.asarray(slope / 2)


def in_phase(iq: Samples, modulation: Modulation) -> Floats:
    """The I component; of BPSK, after the carrier is removed."""
    if modulation is Modulation.QPSK:
        return np.asarray(iq.real)
    still = iq * np.exp(-1j * carrier_offsets(iq)[:, None] * np.arange(iq.shape[1]))
    return np.asarray((still * np.exp(-0.5j * np.angle((still**2).sum(1)))[:, None]).real)


def crossing_spacings(real: Floats) -> Floats:
    """Samples from one zero crossing to the next, all frames together."""
    spacings = []
    for frame in real:
        before = np.flatnonzero(frame[1:] * frame[:-1] < 0)
        spacings.append(np.diff(before + frame[before] / (frame[before] - frame[before + 1])))
    return np.concatenate(spacings)


def as_complex(frames: npt.NDArray[np.float32]) -> Samples:
    planes = frames if frames.shape[1] == 2 else frames.transpose(0, 2, 1)
    return np.asarray(planes[:, 0] + 1j * planes[:, 1].astype(np.float64))


def compare_genuine(path: Path, seed: int, n_twin: int = 4096) -> None:
    with np.load(path) as archive:
        genuine, class_ids = as_complex(archive["X"]), archive["y_true_order"]
    for modulation in (Modulation.BPSK, Modulation.QPSK):
        real = genuine[class_ids == modulation.index]
        ids = torch.full((n_twin,), modulation.index)
        frames = generate(ids, torch.full((n_twin,), 30), seed)[:, :, : real.shape[1]]
        compare_one(real, as_complex(frames.numpy()), modulation)


def compare_one(real: Samples, twin: Samples, modulation: Modulation) -> None:
    print(f"\n{modulation.label}: {len(real)} genuine frames, {len(twin)} of the twin")
    level, other = power_spectrum(real), power_spectrum(twin)
    gap = 10 * np.log10(other / level)[level > level.max() * 1e-4]
    print(f"  spectrum down to -40 dB: apart by {np.abs(gap).mean():.2f} dB on average, "
          f"{np.abs(gap).max():.2f} dB at most")  # fmt: skip
    # Every 16th sample, two symbols apart, so that the samples are nearly independent.
    amplitude = ks_2samp(np.abs(real[:, 4::16]).ravel(), np.abs(twin[:, 4::16]).ravel())
    print(f"  amplitude: D = {amplitude.statistic:.4f}, p = {amplitude.pvalue:.3f}")
    spacing = ks_2samp(*(crossing_spacings(in_phase(iq, modulation)) for iq in (real, twin)))
    print(f"  zero-crossing spacing: D = {spacing.statistic:.4f}, p = {spacing.pvalue:.3f}")
    if modulation is Modulation.BPSK:
        offsets = [carrier_offsets(iq) for iq in (real, twin)]
        test = ks_2samp(*offsets)
        print(f"  carrier offset: std {offsets[0].std():.3g} and {offsets[1].std():.3g} "
              f"rad/sample, D = {test.statistic:.4f}, p = {test.pvalue:.3f}")  # fmt: skip


def referees_in(folder: Path) -> Iterator[Referee]:
    """The networks of a folder, with what is known of their answers to real frames."""
    published = json.loads((folder / "published.json").read_text())
    genuine: dict[str, Counts] = {}
    for path in folder.glob("*_answers.npz"):
        with np.load(path) as archive:
            prefix = path.stem.removesuffix("answers")
            genuine |= {prefix + name: archive[name].astype(float) for name in archive.files}
    for path in sorted(folder.glob("*.onnx")):
        yield Referee(path, published.get(path.stem, {}), genuine.get(path.stem))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames-per-cell", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--referees", type=Path)
    parser.add_argument("--real-frames", type=Path)
    options = parser.parse_args()
    referees = list(referees_in(options.referees)) if options.referees else []
    compare_statistics(options.frames_per_cell, options.seed, referees)
    apart = [referee.report() for referee in referees]
    if options.real_frames:
        compare_genuine(options.real_frames, options.seed)
    if apart:
        overall, classes = (max(figures) for figures in zip(*apart, strict=True))
        print(
            f"\n{len(apart)} networks trained on real data agree with {TWIN.title} within "
            f"{overall:.4f} overall, {classes:.3f} in the farthest class from label 16 up"
        )


if __name__ == "__main__":
    main()
