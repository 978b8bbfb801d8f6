"""Training frames of one profile, drawn anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from boltmod.data.layout import RADIOML, Layout
from boltmod.data.source.frames import Batch, Drawn, Frames, Place, ahead
from boltmod.data.twin import beginnings
from boltmod.modulation import CLASSES, SNR_LABELS
from boltmod.signal.generator import generate
from boltmod.signal.profile import Profile


@dataclass(frozen=True)
class TwinSource(Drawn):
    """Every frame of every epoch drawn anew, validation frames spread over all classes and SNRs.

    Args:
        profile: The signal model.
        layout: Which of its classes, and how much of a frame.
    """

    profile: Profile
    layout: Layout = RADIOML

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield an epoch's steps from `first_step` on."""
        n, seed, device = self.frames_per_epoch, self.sampling.seed, self.sampling.device
        rng = np.random.default_rng([seed, epoch])
        class_ids = torch.from_numpy(rng.integers(0, len(self.layout.classes), n))
        grid = np.array([s for s in SNR_LABELS if s >= self.sampling.minimum_snr])
        snr_labels = torch.from_numpy(rng.choice(grid, n))
        own = self.sampling.share.of(self.batch_size)

        def draw(step: int) -> Batch:
            start = step * self.batch_size + own.start
            part = slice(start, start + own.stop - own.start)
            labels = class_ids[part].to(device)
            frames = self._drawn(
                labels, snr_labels[part].to(device), seed, first_frame=epoch * n + start
            )
            return Batch(frames, labels, Place(epoch, step))

        return ahead(draw, range(first_step, n // self.batch_size))

    def validation(self) -> Frames:
        """Return frames of every class and SNR in turn, drawn with `seed + 1`."""
        device = self.sampling.device
        cells = torch.arange(self.validation_frames, device=device)
        n_classes = len(self.layout.classes)
        class_ids = cells % n_classes
        grid = torch.tensor(SNR_LABELS, device=device)
        snr_labels = grid[torch.div(cells, n_classes, rounding_mode="floor") % len(SNR_LABELS)]
        frames = self._drawn(class_ids, snr_labels, self.sampling.seed + 1)
        return Frames(frames, class_ids, snr_labels)

    def _drawn(
        self, class_ids: Tensor, snr_labels: Tensor, seed: int, first_frame: int = 0
    ) -> Tensor:
        device = self.sampling.device
        ids = torch.from_numpy(self.layout.numbers_in(CLASSES)).to(device)[class_ids]
        frames = generate(
            ids, snr_labels, seed, first_frame=first_frame, profile=self.profile, device=device
        )
        return beginnings(frames, self.layout.frame_length)
