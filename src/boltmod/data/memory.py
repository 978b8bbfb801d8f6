"""Frames kept in memory as small integers, and what a teacher said of them.

A generator draws a frame in less time than a network trains on it, yet a small network's teacher
and generator together take as long as the network itself. Some millions of frames are enough for
a network of some thousand weights: drawn once, they come back as often as the training is long.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

_STEPS_OF_ONE = 2048.0
"""Steps of the kept integers in an amplitude of 1: a resolution of 4.9e-4, a range of ±16."""

Place = tuple[int, int]
"""An epoch and a step of it, whose batch is meant."""


class _Source(Protocol):
    @property
    def frames_per_epoch(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[tuple[Tensor, Tensor]]: ...


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
    _batches: dict[Place, tuple[Tensor, Tensor]] = field(default_factory=dict)
    _teacher: str = ""
    _answers: dict[Place, Tensor] = field(default_factory=dict)

    def places(self, epoch: int, n_steps: int) -> list[Place]:
        """Return whose batches an epoch of n steps sees."""
        if epoch < self.epochs:
            return [(epoch, step) for step in range(n_steps)]
        order = np.random.default_rng([self.seed, epoch]).permutation(n_steps)
        return [(epoch % self.epochs, int(step)) for step in order]

    def batches(
        self, source: _Source, kind: object, epoch: int, first_step: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (iq_planes, class_ids) of an epoch's steps, from `first_step` on.

        Args:
            source: Where batches come from that are not known yet.
            kind: What tells its frames from others; batches of another kind are forgotten.
            epoch: The epoch.
            first_step: Its first step.
        """
        if kind != self._kind:
            self._kind, self._batches, self._answers = kind, {}, {}
        n_steps = source.frames_per_epoch // source.batch_size
        drawn: Iterator[tuple[Tensor, Tensor]] | None = None
        next_drawn: Place | None = None
        for place in self.places(epoch, n_steps)[first_step:]:
            if place not in self._batches:
                if drawn is None or place != next_drawn:
                    drawn = source.batches(*place)
                iq_planes, class_ids = next(drawn)
                next_drawn = (place[0], place[1] + 1)
                self._batches[place] = (_small(iq_planes), class_ids)
            small, class_ids = self._batches[place]
            yield small.float().div_(_STEPS_OF_ONE), class_ids

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


def _small(iq_planes: Tensor) -> Tensor:
    return (iq_planes * _STEPS_OF_ONE).round_().clamp_(-32768, 32767).to(torch.int16)
