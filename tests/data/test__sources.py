"""Laws that every source of training frames must obey."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from boltmod.data.loader import Share
from boltmod.data.radioml import grid_labels
from boltmod.data.radioml_writer import RadioMLWriter
from boltmod.data.section import DataSection, MixPart
from boltmod.data.source import mixed
from boltmod.data.source.frames import Batch, FrameSource, Sampling
from boltmod.data.source.kept import Memory
from boltmod.data.source.opening import open_source
from boltmod.modulation import CLASSES, FIELD_CLASSES

BATCH, N_STEPS = 12, 3
COUNTS = {"frames_per_epoch": N_STEPS * BATCH + 5, "validation_frames": 24}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, two frames a cell at six SNRs."""
    path = tmp_path_factory.mktemp("sources") / "set.hdf5"
    class_ids, snr_labels = grid_labels(2, (-20, -2, 0, 10, 20, 30))
    planes = np.random.default_rng(1).standard_normal((len(class_ids), 2, 1024), np.float32)
    with RadioMLWriter(path, class_ids, snr_labels) as writer:
        writer.write(0, planes)
    return path


@pytest.fixture(autouse=True)
def _made_a_few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mixed, "_CHUNK", 2 * BATCH)


SECTIONS: dict[str, Callable[[Path], DataSection]] = {
    "twin": lambda path: DataSection(**COUNTS),
    "field": lambda path: DataSection(profile="field", **COUNTS),
    "few classes": lambda path: DataSection(
        classes=("QPSK", "FM", "BPSK"), frame_length=256, **COUNTS
    ),
    "mixed": lambda path: DataSection(
        mix=(MixPart(share=2), MixPart(profile="field", unknown=0.5)), **COUNTS
    ),
    "file": lambda path: DataSection(source="hdf5", path=path, **COUNTS),
    "kept": lambda path: DataSection(**COUNTS),
}
EVERY = pytest.mark.parametrize("kind", SECTIONS)


def opened(kind: str, path: Path, seed: int = 5, **how: object) -> FrameSource:
    memory = Memory(2, seed=seed) if kind == "kept" else None
    sampling = Sampling(seed=seed, batch_size=BATCH, minimum_snr=0, **how)  # type: ignore[arg-type]
    return open_source(SECTIONS[kind](path), sampling, memory)


def same(one: Batch, other: Batch) -> bool:
    return (
        torch.equal(one.iq_planes, other.iq_planes)
        and torch.equal(one.class_ids, other.class_ids)
        and one.place == other.place
    )


@EVERY
def test_an_epoch_is_whole_batches_of_labelled_frames(kind: str, path: Path) -> None:
    source, data = opened(kind, path), SECTIONS[kind](path)
    classes = FIELD_CLASSES if data.has_unknown else data.classes or CLASSES
    assert (source.frames_per_epoch, source.batch_size) == (N_STEPS * BATCH, BATCH)
    batches = list(source.batches(0))
    assert len(batches) == N_STEPS
    for batch in batches:
        assert batch.iq_planes.shape == (BATCH, 2, data.frame_length)
        assert batch.iq_planes.dtype == torch.float32
        assert torch.isfinite(batch.iq_planes).all()
        assert (batch.class_ids.shape, batch.class_ids.dtype) == ((BATCH,), torch.int64)
        assert batch.class_ids.min() >= 0
        assert batch.class_ids.max() < len(classes)
    assert [batch.place for batch in batches] == [(0, step) for step in range(N_STEPS)]


@EVERY
def test_frames_depend_on_seed_and_epoch_alone(kind: str, path: Path) -> None:
    first, again, other = opened(kind, path), opened(kind, path), opened(kind, path, seed=6)
    epochs = [list(first.batches(epoch)) for epoch in (0, 1)]
    assert all(map(same, epochs[1], again.batches(1)))
    assert all(map(same, epochs[0], again.batches(0)))
    assert not any(map(same, epochs[0], other.batches(0)))
    assert not any(torch.equal(a.iq_planes, b.iq_planes) for a, b in zip(*epochs, strict=True))


@EVERY
def test_an_epoch_goes_on_from_any_step(kind: str, path: Path) -> None:
    whole = list(opened(kind, path).batches(1))
    rest = list(opened(kind, path).batches(1, first_step=2))
    assert len(rest) == N_STEPS - 2
    assert all(map(same, whole[2:], rest))


@EVERY
def test_processes_share_every_batch(kind: str, path: Path) -> None:
    whole = opened(kind, path).batches(0)
    shares = [opened(kind, path, share=Share(rank, 3)).batches(0) for rank in range(3)]
    for batch, *parts in zip(whole, *shares, strict=True):
        torch.testing.assert_close(torch.cat([part.iq_planes for part in parts]), batch.iq_planes)
        assert torch.equal(torch.cat([part.class_ids for part in parts]), batch.class_ids)


@EVERY
def test_validation_frames_are_the_same_and_never_trained_on(kind: str, path: Path) -> None:
    source = opened(kind, path)
    batches = [batch.iq_planes for epoch in (0, 1) for batch in source.batches(epoch)]
    validation = source.validation()
    assert len(validation.iq_planes) == COUNTS["validation_frames"]
    assert validation.class_ids.shape == validation.snr_labels.shape
    assert torch.equal(validation.iq_planes, opened(kind, path).validation().iq_planes)
    trained = {frame.numpy().tobytes() for planes in batches for frame in planes}
    assert not trained & {frame.numpy().tobytes() for frame in validation.iq_planes}
