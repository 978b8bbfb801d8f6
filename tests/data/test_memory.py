"""Frames kept in memory: the same frames, another order, a teacher asked once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
import torch
from torch import Tensor

from boltmod.data.section import DataSection
from boltmod.data.source.frames import Batch, Frames, FrameSource, Place, Sampling
from boltmod.data.source.kept import Memory
from boltmod.data.source.opening import open_source

N_STEPS = 4


def opened(memory: Memory | None) -> FrameSource:
    data = DataSection(frames_per_epoch=N_STEPS * 24, validation_frames=24)
    return open_source(data, Sampling(seed=5, batch_size=24, minimum_snr=0), memory)


def same(a: Tensor, b: Tensor) -> bool:
    return bool((a - b).abs().max() < 1 / 4096 + 1e-6)


def test_the_first_epochs_are_the_source_s_own() -> None:
    kept, drawn = opened(Memory(2, seed=5)), opened(None)
    for epoch in range(2):
        for a, b in zip(kept.batches(epoch), drawn.batches(epoch), strict=True):
            assert same(a.iq_planes, b.iq_planes)
            assert torch.equal(a.class_ids, b.class_ids)
            assert a.place == b.place


def test_later_epochs_see_the_first_ones_again_in_another_order() -> None:
    source = opened(Memory(2, seed=5))
    first = [batch.class_ids for batch in source.batches(1)]
    later = list(source.batches(3))
    order = [
        next(i for i, own in enumerate(first) if torch.equal(own, batch.class_ids))
        for batch in later
    ]
    assert [batch.place for batch in later] == [(1, step) for step in order]
    assert sorted(order) == list(range(N_STEPS))
    assert order != list(range(N_STEPS))


@pytest.mark.parametrize("epoch", [0, 3])
def test_an_interrupted_epoch_goes_on_with_the_frames_it_would_have_seen(epoch: int) -> None:
    whole = list(opened(Memory(1, seed=5)).batches(epoch))
    rest = list(opened(Memory(1, seed=5)).batches(epoch, first_step=1))
    assert all(
        torch.equal(a.iq_planes, b.iq_planes) and a.place == b.place
        for a, b in zip(whole[1:], rest, strict=True)
    )


def test_nothing_is_drawn_twice() -> None:
    source = Counted(opened(None))
    memory = Memory(1, seed=5)
    for epoch in range(3):
        assert len(list(memory.batches(source, "same", epoch, 0))) == N_STEPS
    assert source.drawn == N_STEPS
    list(memory.batches(source, "another batch size", 0, 0))
    assert source.drawn == 2 * N_STEPS


def test_after_an_interruption_every_batch_is_drawn_once_and_in_order() -> None:
    source = Counted(opened(None))
    memory = Memory(2, seed=5)
    rest = [batch.class_ids for batch in memory.batches(source, "same", 3, 1)]
    assert source.drawn == N_STEPS
    whole = [batch.class_ids for batch in opened(Memory(2, seed=5)).batches(3)]
    assert all(torch.equal(a, b) for a, b in zip(rest, whole[1:], strict=True))
    list(memory.batches(source, "same", 0, 2))
    assert source.drawn == N_STEPS + 2
    list(memory.batches(source, "same", 2, 0))
    assert source.drawn == 2 * N_STEPS


def test_a_teacher_is_asked_once_for_each_batch() -> None:
    memory = Memory(1, seed=5)
    asked: list[str] = []

    def ask(name: str) -> Tensor:
        asked.append(name)
        return torch.tensor(float(len(asked)))

    answers = [float(memory.answer(who, Place(0, 1), partial(ask, who))) for who in "aabba"]
    assert asked == ["a", "b", "a"]
    assert answers == [1, 1, 2, 2, 3]


class Counted:
    """A source that counts the batches drawn from it."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self.batch_size = source.batch_size
        self.frames_per_epoch = source.frames_per_epoch
        self.drawn = 0

    def batches(self, epoch: int, first_step: int = 0) -> Iterator[Batch]:
        for batch in self._source.batches(epoch, first_step):
            self.drawn += 1
            yield batch

    def validation(self) -> Frames:
        return self._source.validation()
