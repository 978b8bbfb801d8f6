"""Batches of frames from a data set file: at random for training, in order for evaluation."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boltmod.data.radioml import RadioMLFile
from boltmod.errors import ConfigError

Indices = npt.NDArray[np.int64]
Batch = tuple[npt.NDArray[np.float32], Indices, Indices]
"""I/Q planes (k, 2, 1024) float32, class labels (k,) and SNR labels (k,) int64."""


@dataclass(frozen=True)
class Share:
    """The part of every batch that one of several training processes sees.

    Args:
        rank: Which process, from 0.
        n_ranks: How many there are.
    """

    rank: int = 0
    n_ranks: int = 1

    def of(self, batch_size: int) -> slice:
        """Return this process's part of a batch."""
        size = batch_size // self.n_ranks
        return slice(self.rank * size, (self.rank + 1) * size)


WHOLE = Share()
"""The whole of every batch."""


def choose(
    file: RadioMLFile,
    indices: Indices | None = None,
    *,
    classes: Collection[str] | None = None,
    snr_labels: Collection[int] | None = None,
) -> Indices:
    """The frames of some classes and SNRs.

    Args:
        file: The data set.
        indices: Where to choose from, such as `official_split(...).train`; None is all frames.
        classes: Names of the classes wanted; None is all.
        snr_labels: SNR labels wanted, in dB; None is all.

    Returns:
        The chosen indices, in the order of `indices`.

    Raises:
        ConfigError: A class is unknown, or no frame is left.

    Examples:
        >>> import boltmod
        >>> with boltmod.RadioMLFile("twin.hdf5") as file:
        ...     wanted = boltmod.choose(file, classes=["BPSK"], snr_labels=[10])
        ...     set(file.class_ids[wanted].tolist()), set(file.snr_labels[wanted].tolist())
        ({3}, {10})
    """
    known = file.layout.classes
    classes = known if classes is None else classes
    unknown = sorted(set(classes) - set(known))
    if unknown:
        raise ConfigError(f"classes must be among {', '.join(known)}, not {', '.join(unknown)}")
    among = np.arange(len(file), dtype=np.int64) if indices is None else indices
    wanted = np.isin(file.class_ids[among], [known.index(name) for name in classes])
    if snr_labels is not None:
        wanted &= np.isin(file.snr_labels[among], list(snr_labels))
    if not wanted.any():
        raise ConfigError(
            f"the filter must leave frames of {file.path}, not none of {len(among)}; "
            "choose more classes or SNR labels"
        )
    return np.asarray(among[wanted], np.int64)


def n_batches(n_frames: int, batch_size: int) -> int:
    """Batches in an epoch of `random_batches`: full ones only, but at least one."""
    return max(1, n_frames // batch_size)


def random_batches(
    file: RadioMLFile,
    indices: Indices,
    batch_size: int,
    seed: int,
    epoch: int,
    *,
    first_step: int = 0,
    share: Share = WHOLE,
) -> Iterator[Batch]:
    """One epoch of training batches, each frame at most once.

    The order depends on `seed` and `epoch` alone, so that an interrupted epoch goes on with
    `first_step`. A last batch that would not be full is left out; its frames come up in other
    epochs.

    Args:
        file: The data set.
        indices: The frames to train on.
        batch_size: Frames a batch.
        seed: Of the order.
        epoch: Which epoch, from 0.
        first_step: Batches to skip.
        share: What this process reads of every batch.

    Yields:
        I/Q planes (batch_size / share.n_ranks, 2, 1024), class labels and SNR labels likewise.

    Examples:
        >>> import boltmod
        >>> with boltmod.RadioMLFile("twin.hdf5") as file:
        ...     batches = boltmod.random_batches(file, boltmod.choose(file), 64, seed=1, epoch=0)
        ...     iq_planes, class_ids, snr_labels = next(batches)
        >>> iq_planes.shape
        (64, 2, 1024)
    """
    own = share.of(batch_size)
    order = np.random.default_rng([seed, epoch]).permutation(indices)
    for step in range(first_step, n_batches(len(order), batch_size)):
        yield _batch(file, order[step * batch_size : (step + 1) * batch_size][own])


def ordered_batches(file: RadioMLFile, indices: Indices, batch_size: int) -> Iterator[Batch]:
    """Every frame once, in the order of `indices`, the last batch as short as it comes.

    Args:
        file: The data set.
        indices: The frames wanted.
        batch_size: Frames a batch.

    Yields:
        I/Q planes (k, 2, 1024), class labels and SNR labels (k,).
    """
    for start in range(0, len(indices), batch_size):
        yield _batch(file, indices[start : start + batch_size])


def _batch(file: RadioMLFile, indices: Indices) -> Batch:
    return file.read(indices), file.class_ids[indices], file.snr_labels[indices]
