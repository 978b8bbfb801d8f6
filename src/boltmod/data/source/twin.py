"""Training frames of one profile, drawn anew in every epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from boltmod.data.source.frames import Batch, Drawn, Frames, Place, ahead
from boltmod.modulation import N_CLASSES, SNR_LABELS
from boltmod.signal.generator import generate
from boltmod.signal.profile import Profile


@dataclass(frozen=True)
class TwinSource(Drawn):
    """Every frame of every epoch drawn anew, validation frames spread over all classes and SNRs.

    Args:
        profile: The signal model.
    """

    profile: Profile

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield an epoch's steps from `first_step` on."""
        n, seed, device = self.frames_per_epoch, self.sampling.seed, self.sampling.device
        rng = np.random.default_rng([seed, epoch])
        class_ids = torch.from_numpy(rng.integers(0, N_CLASSES, n))
        grid = np.array([s for s in SNR_LABELS if s >= self.sampling.minimum_snr])
        snr_labels = torch.from_numpy(rng.choice(grid, n))
        own = self.sampling.share.of(self.batch_size)

        def draw(step: int) -> Batch:
            start = step * self.batch_size + own.start
            part = slice(start, start + own.stop - own.start)
            labels = class_ids[part].to(device)
            frames = generate(
                labels,
                snr_labels[part].to(device),
                seed,
                first_frame=epoch * n + start,
                profile=self.profile,
                device=device,
            )
            return Batch(frames, labels, Place(epoch, step))

        return ahead(draw, range(first_step, n // self.batch_size))

    def validation(self) -> Frames:
        """Return frames of every class and SNR in turn, drawn with `seed + 1`."""
        device = self.sampling.device
        cells = torch.arange(self.validation_frames, device=device)
        class_ids = cells % N_CLASSES
        grid = torch.tensor(SNR_LABELS, device=device)
        snr_labels = grid[torch.div(cells, N_CLASSES, rounding_mode="floor") % len(SNR_LABELS)]
        frames = generate(
            class_ids, snr_labels, self.sampling.seed + 1, profile=self.profile, device=device
        )
        return Frames(frames, class_ids, snr_labels)
