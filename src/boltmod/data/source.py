"""Frames to train on: drawn from the generator, or read from a RadioML file.

Both kinds are addressed by (epoch, step) alone, so that an interrupted training goes on with the
very frames it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from boltmod.config import DataSection
from boltmod.data.loader import WHOLE, Share, random_batches
from boltmod.data.memory import Memory
from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split
from boltmod.errors import ConfigError
from boltmod.modulation import FIELD_CLASSES, N_CLASSES, SNR_LABELS
from boltmod.signal.draws import BLOCK
from boltmod.signal.generator import generate
from boltmod.signal.profile import Profile, profile_from


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


class FrameSource(Protocol):
    """What training needs of its frames."""

    @property
    def frames_per_epoch(self) -> int:
        """Training frames an epoch sees, whole batches of them."""

    @property
    def batch_size(self) -> int:
        """Frames a step, those of all processes together."""

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this process's (iq_planes, class_ids) of an epoch's steps from `first_step` on."""

    def validation(self) -> Frames:
        """Return the frames that checkpoints are chosen by: never trained on, never tested on."""


@dataclass(frozen=True)
class TwinSource:
    """Every frame of every epoch drawn anew from the generator.

    Args:
        profile: The signal model.
        seed: Training frames have this seed, validation frames `seed + 1`.
        epoch_frames: Frames an epoch asks for.
        batch_size: Frames a step.
        minimum_snr: Lowest SNR label trained on.
        validation_frames: Frames to choose checkpoints by, spread over all classes and SNRs.
        device: Where the frames are made and stay.
        share: What this process sees of every batch.
    """

    profile: Profile
    seed: int
    epoch_frames: int
    batch_size: int
    minimum_snr: int
    validation_frames: int
    device: torch.device
    share: Share = WHOLE

    @property
    def frames_per_epoch(self) -> int:
        """Training frames an epoch sees, whole batches of them."""
        return max(1, self.epoch_frames // self.batch_size) * self.batch_size

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (iq_planes, class_ids) of every step of an epoch from `first_step` on."""
        n = self.frames_per_epoch
        rng = np.random.default_rng([self.seed, epoch])
        class_ids = torch.from_numpy(rng.integers(0, N_CLASSES, n))
        grid = np.array([s for s in SNR_LABELS if s >= self.minimum_snr])
        snr_labels = torch.from_numpy(rng.choice(grid, n))

        def draw(step: int) -> tuple[Tensor, Tensor]:
            own = self.share.of(self.batch_size)
            start = step * self.batch_size + own.start
            part = slice(start, start + own.stop - own.start)
            labels = class_ids[part].to(self.device)
            frames = generate(
                labels,
                snr_labels[part].to(self.device),
                self.seed,
                first_frame=epoch * n + start,
                profile=self.profile,
                device=self.device,
            )
            return frames, labels

        return _ahead(draw, range(first_step, n // self.batch_size))

    def validation(self) -> Frames:
        """Return frames of every class and SNR in turn, drawn with `seed + 1`."""
        cells = torch.arange(self.validation_frames, device=self.device)
        class_ids = cells % N_CLASSES
        grid = torch.tensor(SNR_LABELS, device=self.device)
        snr_labels = grid[torch.div(cells, N_CLASSES, rounding_mode="floor") % len(SNR_LABELS)]
        frames = generate(
            class_ids, snr_labels, self.seed + 1, profile=self.profile, device=self.device
        )
        return Frames(frames, class_ids, snr_labels)


_BESIDE = np.arange(N_CLASSES, len(FIELD_CLASSES))
_BESIDE_SHARES = (0.16, 0.22, 0.12, 0.12, 0.10, 0.08, 0.08, 0.12)
"""How often each class beside the 24 is drawn: what is on the air more often, more often."""


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
class MixedSource:
    """Frames of several profiles, and of what is none of the classes, all drawn anew.

    Frames are made a chunk of batches at a time and shuffled within it.

    Args:
        parts: What is mixed.
        seed: Training frames have this seed, validation frames `seed + 1`.
        epoch_frames: Frames an epoch asks for.
        batch_size: Frames a step.
        validation_frames: Frames to choose checkpoints by, in the parts' proportions.
        device: Where the frames are made and stay.
        share: What this process sees of every batch; it makes all of it.
    """

    parts: tuple[Part, ...]
    seed: int
    epoch_frames: int
    batch_size: int
    validation_frames: int
    device: torch.device
    share: Share = WHOLE

    @property
    def frames_per_epoch(self) -> int:
        """Training frames an epoch sees, whole batches of them."""
        return max(1, self.epoch_frames // self.batch_size) * self.batch_size

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (iq_planes, class_ids) of every step of an epoch from `first_step` on."""
        n_steps = self.frames_per_epoch // self.batch_size
        per_chunk = max(1, _CHUNK // self.batch_size)
        own = self.share.of(self.batch_size)
        n_chunks = -(-n_steps // per_chunk)

        def draw(chunk: int) -> tuple[Tensor, Tensor]:
            found = self._chunk(self.seed, epoch * n_chunks + chunk, per_chunk * self.batch_size)
            return found.iq_planes, found.class_ids

        chunks = range(first_step // per_chunk, n_chunks)
        step = chunks.start * per_chunk
        for iq_planes, class_ids in _ahead(draw, chunks):
            parts = zip(
                torch.split(iq_planes, self.batch_size),
                torch.split(class_ids, self.batch_size),
                strict=True,
            )
            for batch in parts:
                if first_step <= step < n_steps:
                    yield batch[0][own], batch[1][own]
                step += 1

    def validation(self) -> Frames:
        """Return frames drawn with `seed + 1`."""
        return self._chunk(self.seed + 1, 0, self.validation_frames)

    def _chunk(self, seed: int, number: int, n: int) -> Frames:
        rng = np.random.default_rng([seed, number])
        total = sum(part.share for part in self.parts)
        ends = np.round(np.cumsum([part.share for part in self.parts]) / total * n).astype(int)
        sizes = np.diff(ends, prepend=0)
        made = [
            self._part(place, number * n, int(size), seed, rng) for place, size in enumerate(sizes)
        ]
        order = torch.from_numpy(rng.permutation(n)).to(self.device)
        joined = (torch.cat(tensors)[order] for tensors in zip(*made, strict=True))
        return Frames(*joined)

    def _part(
        self, place: int, first: int, n: int, seed: int, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        part = self.parts[place]
        class_ids, snr_labels = (t.to(self.device) for t in part.labels(n, rng))
        frames = generate(
            class_ids,
            snr_labels,
            seed,
            # Parts share no random numbers; whole blocks are drawn fastest.
            first_frame=place * _PART_STRIDE + first // BLOCK * BLOCK,
            profile=part.profile,
            device=self.device,
        )
        return frames, class_ids, snr_labels


_CHUNK = 1024
"""Frames a `MixedSource` makes at once."""

_PART_STRIDE = 1 << 30
"""Far more frames than a training sees, and few enough that no two streams meet (`block_seed`)."""


class FileSource:
    """Frames of the training part of a RadioML file's official split.

    Args:
        file: The open file.
        seed: Order of the frames, and which of them are set apart for validation.
        epoch_frames: Frames an epoch sees; 0 for all.
        scale: Share of them that it really sees.
        batch_size: Frames a step.
        minimum_snr: Lowest SNR label trained on.
        validation_frames: Frames of the training part set apart to choose checkpoints by.
        share: What this process sees of every batch.
    """

    def __init__(  # noqa: PLR0913
        self,
        file: RadioMLFile,
        *,
        seed: int,
        epoch_frames: int,
        scale: float = 1.0,
        batch_size: int,
        minimum_snr: int,
        validation_frames: int,
        share: Share = WHOLE,
    ) -> None:
        split = official_split(file.class_ids, file.snr_labels)
        shuffled = np.random.default_rng(seed).permutation(split.train)
        self._file, self._seed, self.batch_size = file, seed, batch_size
        self._share = share
        self._validation = np.sort(shuffled[:validation_frames])
        train = np.sort(shuffled[validation_frames:])
        self._train = train[file.snr_labels[train] >= minimum_snr]
        if len(self._train) < batch_size:
            raise ConfigError(
                f"{file.path}: {len(self._train)} training frames are left at SNR labels from "
                f"{minimum_snr} beside {validation_frames} for validation, fewer than one batch "
                f"of {batch_size}; lower batch_size or validation_frames"
            )
        wanted = epoch_frames or len(self._train)
        steps = int(scale * min(wanted, len(self._train))) // batch_size
        self.frames_per_epoch = max(1, steps) * batch_size

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (iq_planes, class_ids) of every step of an epoch from `first_step` on."""
        stream = random_batches(
            self._file,
            self._train,
            self.batch_size,
            self._seed,
            epoch,
            first_step=first_step,
            share=self._share,
        )
        for _, (iq_planes, class_ids, _) in zip(
            range(first_step, self.frames_per_epoch // self.batch_size), stream, strict=False
        ):
            yield torch.from_numpy(iq_planes), torch.from_numpy(class_ids)

    def validation(self) -> Frames:
        """Return the frames set apart from the training part."""
        return Frames(
            torch.from_numpy(self._file.read(self._validation)),
            torch.from_numpy(self._file.class_ids[self._validation]),
            torch.from_numpy(self._file.snr_labels[self._validation]),
        )


@dataclass(frozen=True)
class KeptSource:
    """Another source's frames, those of the first epochs kept and seen again.

    Args:
        source: Where they come from.
        memory: Where they stay.
        kind: What tells them from another source's.
    """

    source: FrameSource
    memory: Memory
    kind: object

    @property
    def frames_per_epoch(self) -> int:
        """Training frames an epoch sees, whole batches of them."""
        return self.source.frames_per_epoch

    @property
    def batch_size(self) -> int:
        """Frames a step, those of all processes together."""
        return self.source.batch_size

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (iq_planes, class_ids) of every step of an epoch from `first_step` on."""
        return self.memory.batches(self.source, self.kind, epoch, first_step)

    def validation(self) -> Frames:
        """Return the source's own."""
        return self.source.validation()


def open_source(
    data: DataSection,
    *,
    seed: int,
    batch_size: int,
    minimum_snr: int,
    device: torch.device,
    share: Share = WHOLE,
    memory: Memory | None = None,
) -> FrameSource:
    """Return the frames a recipe asks for, kept in `memory` if there is one.

    Raises:
        ConfigError: The profile does not exist, the file has too few frames, or the processes
            cannot share a batch evenly.
        DataFormatError: The file is not in RadioML's layout.
    """
    if batch_size % share.n_ranks:
        raise ConfigError(
            f"batch_size must be a multiple of the {share.n_ranks} processes, not {batch_size}; "
            "choose another batch_size or another --processes"
        )
    source = _open(data, seed, batch_size, minimum_snr, device, share)
    if memory is None:
        return source
    return KeptSource(source, memory, (batch_size, minimum_snr))


def _open(
    data: DataSection,
    seed: int,
    batch_size: int,
    minimum_snr: int,
    device: torch.device,
    share: Share,
) -> FrameSource:
    if data.mix:
        return MixedSource(
            parts=tuple(
                Part(
                    profile_from(part.profile, part.parameters),
                    part.share,
                    minimum_snr if part.minimum_snr is None else part.minimum_snr,
                    part.unknown,
                )
                for part in data.mix
            ),
            seed=seed,
            epoch_frames=max(1, round(data.frames_per_epoch * data.scale)),
            batch_size=batch_size,
            validation_frames=data.validation_frames,
            device=device,
            share=share,
        )
    if data.path is None:
        return TwinSource(
            profile=profile_from(data.profile, data.parameters),
            seed=seed,
            epoch_frames=max(1, round(data.frames_per_epoch * data.scale)),
            batch_size=batch_size,
            minimum_snr=minimum_snr,
            validation_frames=data.validation_frames,
            device=device,
            share=share,
        )
    return FileSource(
        RadioMLFile(data.path),
        seed=seed,
        epoch_frames=data.frames_per_epoch,
        scale=data.scale,
        batch_size=batch_size,
        minimum_snr=minimum_snr,
        validation_frames=data.validation_frames,
        share=share,
    )


def _ahead(draw: object, steps: range) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw the next batch in a thread while the caller works on the last one."""
    assert callable(draw)
    if not steps:
        return
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="frames") as pool:
        pending = pool.submit(draw, steps[0])
        for step in steps:
            batch = pending.result()
            if step + 1 < steps.stop:
                pending = pool.submit(draw, step + 1)
            yield batch
