"""What training asks of its frames, whoever has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from boltmod.data.loader import WHOLE, Share

_Drawn = TypeVar("_Drawn")

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Frames:
    """Labelled frames in memory.

    Args:
        iq_planes: (n, 2, 1024) float32.
        class_ids: (n,) int64.
        snr_labels: (n,) int64.
    """

    iq_planes: Tensor
    class_ids: Tensor
    snr_labels: Tensor


class Place(NamedTuple):
    """An epoch and a step of it, whose frames are meant."""

    epoch: int
    step: int


@dataclass(frozen=True)
class Batch:
    """The frames of a step.

    Args:
        iq_planes: (n, 2, 1024) float32.
        class_ids: (n,) int64.
        place: Where these very frames were drawn: they come back where epochs are kept.
    """

    iq_planes: Tensor
    class_ids: Tensor
    place: Place


@dataclass(frozen=True)
class Sampling:
    """Which frames, how many at a time, and for whom.

    Args:
        seed: Training frames have this seed, validation frames that are drawn `seed + 1`.
        batch_size: Frames a step, those of all processes together.
        minimum_snr: Lowest SNR label trained on.
        device: Where frames that are drawn are made and stay.
        share: What this process sees of every batch.
    """

    seed: int
    batch_size: int
    minimum_snr: int = -20
    device: torch.device = CPU
    share: Share = WHOLE


class FrameSource(Protocol):
    """What training needs of its frames."""

    @property
    def frames_per_epoch(self) -> int:
        """Training frames an epoch sees, whole batches of them."""

    @property
    def batch_size(self) -> int:
        """Frames a step, those of all processes together."""

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield this process's part of an epoch's steps from `first_step` on."""

    def validation(self) -> Frames:
        """Return the frames that checkpoints are chosen by: never trained on, never tested on."""


@dataclass(frozen=True)
class Drawn:
    """What sources have in common whose frames are drawn from the generator.

    Args:
        sampling: Which frames, how many at a time.
        epoch_frames: Frames an epoch asks for.
        validation_frames: Frames to choose checkpoints by.
    """

    sampling: Sampling
    epoch_frames: int
    validation_frames: int

    @property
    def frames_per_epoch(self) -> int:
        """Training frames an epoch sees, whole batches of them."""
        return whole_batches(self.epoch_frames, self.batch_size)

    @property
    def batch_size(self) -> int:
        """Frames a step, those of all processes together."""
        return self.sampling.batch_size


def whole_batches(n_frames: int, batch_size: int) -> int:
    """Return the frames of the whole batches among so many, but of one at least."""
    return max(1, n_frames // batch_size) * batch_size


def ahead(draw: Callable[[int], _Drawn], steps: range) -> Iterator[_Drawn]:
    """Draw the next step in a thread while the caller works on the last one."""
    if not steps:
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
        pending = pool.submit(draw, steps[0])
        for step in steps:
            drawn = pending.result()
            if step + 1 < steps.stop:
                pending = pool.submit(draw, step + 1)
            yield drawn
