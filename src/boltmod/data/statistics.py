"""What a data set's samples look like in numbers, and the real one's numbers to compare with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from boltmod.data.loader import Batch, ordered_batches
from boltmod.data.radioml import RadioMLFile
from boltmod.modulation import CLASSES, SNR_LABELS

REAL_MEAN_POWER: Mapping[str, float] = {
    "OOK": 1.680, "4ASK": 2.168, "8ASK": 2.479, "QPSK": 1.0029, "128APSK": 1.0030,
    "AM-SSB-WC": 64.1, "AM-SSB-SC": 29.2, "AM-DSB-WC": 1.0014, "AM-DSB-SC": 1.0025,
    "FM": 1.0003, "GMSK": 1.0031, "OQPSK": 1.0029,
}  # fmt: skip
"""Mean of |x|² over all frames of a class of RadioML 2018.01A.

Source: statistics of the whole data set in published notebooks.
"""

REAL_MEAN_POWER_BY_SNR: Mapping[int, float] = {
    0: 1.15, 4: 1.66, 8: 3.33, 10: 4.95, 12: 6.9, 16: 10.05, 20: 11.15, 30: 11.1
}  # fmt: skip
"""Mean of |x|² over all classes at an SNR label. Source: as above."""

REAL_SHARE_BEYOND_TWO: Mapping[str, float] = {
    "OOK": 0.083, "4ASK": 0.129, "8ASK": 0.162, "AM-SSB-WC": 0.851, "AM-SSB-SC": 0.820
}  # fmt: skip
"""Share of I and Q values beyond ±2 at the SNR label 30 dB. Source: as above."""

_SAMPLE_BATCH = 1024

K = TypeVar("K")


@dataclass(frozen=True)
class Statistics:
    """Sums over frames, from which means of any class or SNR follow.

    Args:
        n_frames: Frames of each (class, SNR) pair, shape (n_classes, n_snr), int64.
        power: Sum over those frames of the mean of |x|², same shape.
        beyond_two: Sum over those frames of the share of I and Q values beyond ±2, same shape.
        classes: Name of each row.
        snr_labels: SNR label of each column, in dB, ascending.
    """

    n_frames: npt.NDArray[np.int64]
    power: npt.NDArray[np.float64]
    beyond_two: npt.NDArray[np.float64]
    classes: tuple[str, ...] = CLASSES
    snr_labels: tuple[int, ...] = SNR_LABELS

    @property
    def mean_power(self) -> dict[str, float]:
        """Mean of |x|² of each class that has frames."""
        return _means(self.classes, self.power.sum(1), self.n_frames.sum(1))

    @property
    def mean_power_by_snr(self) -> dict[int, float]:
        """Mean of |x|² at each SNR label that has frames."""
        return _means(self.snr_labels, self.power.sum(0), self.n_frames.sum(0))

    def share_beyond_two(self, snr_label: int) -> dict[str, float]:
        """Share of I and Q values beyond ±2 at one SNR label, for each class with frames there."""
        column = self.snr_labels.index(snr_label)
        return _means(self.classes, self.beyond_two[:, column], self.n_frames[:, column])

    def as_dict(self) -> dict[str, Any]:
        """The statistics as JSON keeps them."""
        top = max(self.snr_labels)
        return {
            "n_frames": int(self.n_frames.sum()),
            "mean_power": self.mean_power,
            "mean_power_by_snr": {str(k): v for k, v in self.mean_power_by_snr.items()},
            f"share_beyond_two_at_{top}_db": self.share_beyond_two(top),
        }


def gather(
    batches: Iterable[Batch],
    progress: Callable[[int], None] | None = None,
    classes: tuple[str, ...] = CLASSES,
    snr_labels: tuple[int, ...] = SNR_LABELS,
) -> Statistics:
    """Sum up labelled frames.

    Args:
        batches: Samples (k, 2, length) or (k, length, 2), class labels and SNR labels (k,).
        progress: Called after each batch with its number of frames.
        classes: What the class labels number.
        snr_labels: The SNR labels that there are, in dB, ascending.
    """
    shape = (len(classes), len(snr_labels))
    n_frames, sums = np.zeros(shape, np.int64), np.zeros((2, *shape))
    for iq_planes, class_ids, snrs in batches:
        cell = (class_ids, np.searchsorted(snr_labels, snrs))
        planes = iq_planes.reshape(len(iq_planes), -1)
        np.add.at(n_frames, cell, 1)
        np.add.at(sums[0], cell, 2 * np.einsum("ij,ij->i", planes, planes) / planes.shape[1])
        np.add.at(sums[1], cell, (np.abs(planes) > 2).mean(axis=1))
        if progress is not None:
            progress(len(iq_planes))
    return Statistics(n_frames, sums[0], sums[1], classes, snr_labels)


def of_sample(file: RadioMLFile, n_frames: int) -> Statistics:
    """The statistics of frames evenly spread over a file, all of them where it has fewer."""
    n_sample = min(n_frames, len(file))
    indices = np.arange(n_sample, dtype=np.int64) * len(file) // n_sample
    batches = ordered_batches(file, indices, _SAMPLE_BATCH)
    return gather(batches, None, file.layout.classes, file.snr_grid)


def _means(
    names: Iterable[K], sums: npt.NDArray[np.float64], counts: npt.NDArray[np.int64]
) -> dict[K, float]:
    rows = zip(names, sums, counts, strict=True)
    return {name: float(total / n) for name, total, n in rows if n}
