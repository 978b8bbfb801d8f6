"""Frames kept in memory as small integers, and what a teacher said of them.

A generator draws a frame in less time than a network trains on it, yet a small network's teacher
and generator together take as long as the network itself. Some millions of frames are enough for
a network of some thousand weights: drawn once, they come back as often as the training is long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boltmod.data.source.frames import Batch, Frames, FrameSource, Place

_STEPS_OF_ONE = 2048.0
"""Steps of the kept integers in an amplitude of 1: a resolution of 4.9e-4, a range of ±16."""


@dataclass(frozen=True)
class _Epoch:
    """The frames of one epoch, in one piece: what is kept bit by bit leaves the heap in holes.

    Args:
        frames: Small integers, (steps, batch, 2, 1024).
        class_ids: Their classes, (steps, batch).
        known: Which steps have been drawn, (steps,).
    """

    frames: Tensor
    class_ids: Tensor
    known: NDArray[np.bool_]

    @classmethod
    def like(cls, n_steps: int, batch: Batch) -> _Epoch:
        """Room for as many batches like this one."""
        x = batch.iq_planes
        return cls(
            torch.empty((n_steps, *x.shape), dtype=torch.int16, device=x.device),
            batch.class_ids.new_empty((n_steps, *batch.class_ids.shape)),
            np.zeros(n_steps, np.bool_),
        )

    def keep(self, batch: Batch) -> None:
        """Note a step's batch."""
        step = batch.place.step
        self.frames[step] = (batch.iq_planes * _STEPS_OF_ONE).round_().clamp_(-32768, 32767)
        self.class_ids[step] = batch.class_ids
        self.known[step] = True

    def batch(self, place: Place) -> Batch:
        """Return a step's batch, as it was kept."""
        frames = self.frames[place.step].float().div_(_STEPS_OF_ONE)
        return Batch(frames, self.class_ids[place.step], place)


@dataclass
class Memory:
    """Batches of the first epochs; later epochs see them again, in another order.

    One memory serves all phases of a run. It forgets everything when the frames, or the teacher,
    become others.

    Args:
        epochs: How many epochs are kept: two bytes for every I and every Q, 4 KiB a frame.
        seed: Decides the order of the batches that come back.
    """

    epochs: int
    seed: int
    _kind: object = None
    _epochs: dict[int, _Epoch] = field(default_factory=dict)
    _teacher: str = ""
    _answers: dict[Place, Tensor] = field(default_factory=dict)

    def batches(
        self, source: FrameSource, kind: object, epoch: int, first_step: int
    ) -> Iterator[Batch]:
        """Yield an epoch's steps from `first_step` on.

        Args:
            source: Where batches come from that are not known yet.
            kind: What tells its frames from others; batches of another kind are forgotten.
            epoch: The epoch.
            first_step: Its first step.
        """
        if kind != self._kind:
            self._kind, self._epochs, self._answers = kind, {}, {}
        n_steps = source.frames_per_epoch // source.batch_size
        if epoch < self.epochs:
            drawn = self._drawn(source, epoch, n_steps, first_step)
        for place in self._places(epoch, n_steps)[first_step:]:
            if not self._knows(place):
                if epoch < self.epochs:
                    next(drawn)
                else:
                    # After an interruption: its batches are asked for in another order than the
                    # source's, which would draw some again and again.
                    for _ in self._drawn(source, place.epoch, n_steps, 0):
                        pass
            yield self._epochs[place.epoch].batch(place)

    def _places(self, epoch: int, n_steps: int) -> list[Place]:
        """Return whose batches an epoch of n steps sees."""
        if epoch < self.epochs:
            return [Place(epoch, step) for step in range(n_steps)]
        order = np.random.default_rng([self.seed, epoch]).permutation(n_steps)
        return [Place(epoch % self.epochs, int(step)) for step in order]

    def _knows(self, place: Place) -> bool:
        return place.epoch in self._epochs and bool(self._epochs[place.epoch].known[place.step])

    def _drawn(
        self, source: FrameSource, epoch: int, n_steps: int, first_step: int
    ) -> Iterator[Place]:
        """Draw and keep, one by one, the steps of an epoch that are not known."""
        drawn: Iterator[Batch] | None = None
        for step in range(first_step, n_steps):
            if self._knows(Place(epoch, step)):
                drawn = None
                continue
            if drawn is None:
                drawn = source.batches(epoch, step)
            batch = next(drawn)
            if epoch not in self._epochs:
                self._epochs[epoch] = _Epoch.like(n_steps, batch)
            self._epochs[epoch].keep(batch)
            yield batch.place

    def answer(self, teacher: str, place: Place, ask: Callable[[], Tensor]) -> Tensor:
        """Return a teacher's scores of a batch, asked once.

        Args:
            teacher: What tells this teacher from others.
            place: Which batch.
            ask: Asks the teacher.
        """
        if teacher != self._teacher:
            self._teacher, self._answers = teacher, {}
        if place not in self._answers:
            self._answers[place] = ask()
        return self._answers[place]


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

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        """Yield an epoch's steps from `first_step` on."""
        return self.memory.batches(self.source, self.kind, epoch, first_step)

    def validation(self) -> Frames:
        """Return the source's own."""
        return self.source.validation()
