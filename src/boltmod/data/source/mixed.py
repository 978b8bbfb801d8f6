"""Training frames of several profiles, and of what is none of the classes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from boltmod.data.source.frames import Batch, Drawn, Frames, Place, ahead
from boltmod.modulation import FIELD_CLASSES, N_CLASSES, SNR_LABELS
from boltmod.signal.draws import BLOCK
from boltmod.signal.generator import generate
from boltmod.signal.profile import Profile

_BESIDE = np.arange(N_CLASSES, len(FIELD_CLASSES))
_BESIDE_SHARES = (0.16, 0.22, 0.12, 0.12, 0.10, 0.08, 0.08, 0.12)
"""How often each class beside the 24 is drawn: what is on the air more often, more often."""

_CHUNK = 1024
"""Frames a `MixedSource` makes at once."""

_PART_STRIDE = 1 << 30
"""Far more frames than a training sees, and few enough that no two streams meet (`block_seed`)."""


@dataclass(frozen=True)
class Part:
    """Some of the frames of a `MixedSource`.

    Args:
        profile: Their signal model.
        share: Share of the frames that are of this part; only the parts' proportions matter.
        minimum_snr: Their lowest SNR label.
        unknown: Share of this part's frames that are none of the 24 classes.
    """

    profile: Profile
    share: float
    minimum_snr: int
    unknown: float

    def labels(self, n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Class ids and SNR labels of n frames."""
        class_ids = rng.integers(0, N_CLASSES, n)
        beside = rng.random(n) < self.unknown
        class_ids[beside] = rng.choice(_BESIDE, int(beside.sum()), p=_BESIDE_SHARES)
        grid = [snr for snr in SNR_LABELS if snr >= self.minimum_snr]
        return torch.from_numpy(class_ids), torch.from_numpy(rng.choice(grid, n))


@dataclass(frozen=True)
class MixedSource(Drawn):
    """Frames of several profiles, and of what is none of the classes, all drawn anew.

    Frames are made a chunk of batches at a time and shuffled within it; every process makes all of
    a chunk. Validation frames are mixed alike.

    Args:
        parts: What is mixed; each part has its own lowest SNR label.
    """

    parts: tuple[Part, ...]

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield an epoch's steps from `first_step` on."""
        n_steps = self.frames_per_epoch // self.batch_size
        per_chunk = max(1, _CHUNK // self.batch_size)
        own = self.sampling.share.of(self.batch_size)
        n_chunks = -(-n_steps // per_chunk)

        def draw(chunk: int) -> Frames:
            number = epoch * n_chunks + chunk
            return self._chunk(self.sampling.seed, number, per_chunk * self.batch_size)

        chunks = range(first_step // per_chunk, n_chunks)
        step = chunks.start * per_chunk
        for chunk in ahead(draw, chunks):
            parts = zip(
                torch.split(chunk.iq_planes, self.batch_size),
                torch.split(chunk.class_ids, self.batch_size),
                strict=True,
            )
            for iq_planes, class_ids in parts:
                if first_step <= step < n_steps:
                    yield Batch(iq_planes[own], class_ids[own], Place(epoch, step))
                step += 1

    def validation(self) -> Frames:
        """Return frames drawn with `seed + 1`."""
        return self._chunk(self.sampling.seed + 1, 0, self.validation_frames)

    def _chunk(self, seed: int, number: int, n: int) -> Frames:
        rng = np.random.default_rng([seed, number])
        total = sum(part.share for part in self.parts)
        ends = np.round(np.cumsum([part.share for part in self.parts]) / total * n).astype(int)
        sizes = np.diff(ends, prepend=0)
        made = [
            self._part(place, number * n, int(size), seed, rng) for place, size in enumerate(sizes)
        ]
        order = torch.from_numpy(rng.permutation(n)).to(self.sampling.device)
        joined = (torch.cat(tensors)[order] for tensors in zip(*made, strict=True))
        return Frames(*joined)

    def _part(
        self, place: int, first: int, n: int, seed: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        part, device = self.parts[place], self.sampling.device
        class_ids, snr_labels = (t.to(device) for t in part.labels(n, rng))
        frames = generate(
            class_ids,
            snr_labels,
            seed,
            # Parts share no random numbers; whole blocks are drawn fastest.
            first_frame=place * _PART_STRIDE + first // BLOCK * BLOCK,
            profile=part.profile,
            device=device,
        )
        return frames, class_ids, snr_labels
