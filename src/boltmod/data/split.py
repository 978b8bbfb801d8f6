"""The official train/test split of the Lightning-Fast Modulation Classification challenge.

Source: the challenge's own notebook (Xilinx/brevitas-radioml-challenge-21), which shuffles the
frame indices of every (class, SNR) pair with NumPy's legacy generator, seed 2018, and gives the
first tenth of each to the test set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SEED = 2018
FRAMES_PER_TEST_FRAME = 10


@dataclass(frozen=True)
class Split:
    """Frame indices of the two halves, int64, in the order the challenge's code makes them."""

    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def official_split(class_ids: npt.ArrayLike, snr_labels: npt.ArrayLike) -> Split:
    """The challenge's split of a file with these labels.

    Args:
        class_ids: Integer labels, shape (n,).
        snr_labels: SNR labels in dB, shape (n,).

    Returns:
        Nine tenths to train on and a tenth, rounded up, to test on, of every (class, SNR) pair.
        For the full-size file these are the challenge's own indices.

    Examples:
        >>> import boltmod
        >>> split = boltmod.official_split([0] * 10 + [1] * 10, [30] * 20)
        >>> len(split.train), len(split.test)
        (18, 2)
    """
    classes, snrs = np.asarray(class_ids), np.asarray(snr_labels)
    order = np.lexsort((snrs, classes))
    changes = np.diff(classes[order]).astype(bool) | np.diff(snrs[order]).astype(bool)
    cells = np.split(order.astype(np.int64), np.flatnonzero(changes) + 1)
    generator = np.random.RandomState(SEED)
    train, test = [], []
    for indices in cells:
        generator.shuffle(indices)
        n_test = -(-len(indices) // FRAMES_PER_TEST_FRAME)
        test.append(indices[:n_test])
        train.append(indices[n_test:])
    return Split(np.concatenate(train), np.concatenate(test))
