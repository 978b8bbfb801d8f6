"""How closely the twin agrees with RadioML 2018.01A.

    python bench/twin_agreement.py --frames-per-cell 256 --seed 20260101 \
        [--referees FOLDER] [--real-frames FILE.npz]

- Published statistics of the real data set beside the same ones of the twin.
- With --referees: networks that others trained on the real data, `*.onnx`, and `published.json`
  with the accuracy that they reached there. They classify the twin as well as they classified the
  real frames if the two look alike to them.
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

Samples = npt.NDArray[np.complex128]
Floats = npt.NDArray[np.float64]


class Referee:
    """Counts a published network's hits, by class and SNR."""

    def __init__(self, path: Path, published: dict[str, Any]) -> None:
        self.name = path.stem
        self.published = published.get(self.name, {})
        self.classifier = Classifier(path)
        self.hits = np.zeros((N_CLASSES, len(SNR_LABELS)))
        self.n_frames = np.zeros((N_CLASSES, len(SNR_LABELS)))

    def see(self, batch: Batch) -> None:
        """Classifies a batch."""
        iq_planes, class_ids, snr_labels = batch
        cell = (class_ids, np.searchsorted(SNR_LABELS, snr_labels))
        hit = self.classifier.logits(iq_planes).argmax(1) == class_ids
        np.add.at(self.hits, cell, hit)
        np.add.at(self.n_frames, cell, 1)

    def report(self) -> None:
        """Prints its accuracy beside the published one."""
        overall = self.hits.sum() / self.n_frames.sum()
        print(f"\n{self.name}: {overall:.4f}", end="")
        if "overall" in self.published:
            print(f", real {self.published['overall']:.4f}", end="")
        by_snr = self.hits.sum(0) / self.n_frames.sum(0)
        if "by_snr" in self.published:
            gap = np.abs(by_snr - self.published["by_snr"])
            print(
                f"; over SNR apart by {gap.mean():.3f} on average, {gap.max():.3f} at most", end=""
            )
        print("\n  " + " ".join(f"{s:+d}:{v:.3f}" for s, v in zip(SNR_LABELS, by_snr, strict=True)))
        top = [s >= 16 for s in SNR_LABELS]
        by_class = self.hits[:, top].sum(1) / self.n_frames[:, top].sum(1)
        print(
            "  from 16 dB "
            + " ".join(f"{c}:{v:.2f}" for c, v in zip(CLASSES, by_class, strict=True))
        )


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


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--frames-per-cell", type=int, default=32)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--referees", type=Path)
    parser.add_argument("--real-frames", type=Path)
    options = parser.parse_args()
    referees = []
    if options.referees:
        published = json.loads((options.referees / "published.json").read_text())
        referees = [Referee(path, published) for path in sorted(options.referees.glob("*.onnx"))]
    compare_statistics(options.frames_per_cell, options.seed, referees)
    for referee in referees:
        referee.report()
    if options.real_frames:
        compare_genuine(options.real_frames, options.seed)


if __name__ == "__main__":
    main()
