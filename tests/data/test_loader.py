from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from boltmod.data.loader import Share, choose, n_batches, ordered_batches, random_batches
from boltmod.data.radioml import RadioMLFile, grid_labels
from boltmod.data.radioml_writer import RadioMLWriter
from boltmod.errors import ConfigError
from boltmod.modulation import CLASSES


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RadioMLFile]:
    """Two frames a cell at two SNRs; every sample of a frame is the frame's index."""
    path = tmp_path_factory.mktemp("loader") / "set.hdf5"
    class_ids, snr_labels = grid_labels(2, (-20, 30))
    n = len(class_ids)
    with RadioMLWriter(path, class_ids, snr_labels) as writer:
        writer.write(
            0, np.broadcast_to(np.arange(n, dtype=np.float32)[:, None, None], (n, 2, 1024))
        )
    with RadioMLFile(path) as opened:
        yield opened


def seen(batches: object) -> list[int]:
    return [int(i) for batch in batches for i in batch[0][:, 0, 0]]  # type: ignore[attr-defined]


def test_an_epoch_holds_every_frame_at_most_once_and_full_batches_only(file: RadioMLFile) -> None:
    indices = np.arange(0, 90)
    batches = list(random_batches(file, indices, 20, seed=1, epoch=0))
    assert [len(b[0]) for b in batches] == [20] * n_batches(90, 20) == [20] * 4
    order = seen(batches)
    assert len(set(order)) == 80
    assert set(order) < set(range(90))
    assert order != sorted(order)


def test_labels_belong_to_their_frames(file: RadioMLFile) -> None:
    for iq_planes, class_ids, snr_labels in random_batches(file, np.arange(96), 16, 1, 0):
        index = iq_planes[:, 0, 0].astype(int)
        np.testing.assert_array_equal(class_ids, file.class_ids[index])
        np.testing.assert_array_equal(snr_labels, file.snr_labels[index])


def test_the_order_depends_on_seed_and_epoch_alone(file: RadioMLFile) -> None:
    indices = np.arange(96)
    first = seen(random_batches(file, indices, 8, seed=1, epoch=0))
    assert seen(random_batches(file, indices, 8, seed=1, epoch=0)) == first
    assert seen(random_batches(file, indices, 8, seed=1, epoch=1)) != first
    assert seen(random_batches(file, indices, 8, seed=2, epoch=0)) != first
    assert seen(random_batches(file, indices, 32, seed=1, epoch=0)) == first


def test_an_interrupted_epoch_goes_on(file: RadioMLFile) -> None:
    indices = np.arange(96)
    whole = seen(random_batches(file, indices, 8, seed=1, epoch=3))
    rest = seen(random_batches(file, indices, 8, seed=1, epoch=3, first_step=5))
    assert rest == whole[40:]


def test_fewer_frames_than_a_batch_make_one_short_batch(file: RadioMLFile) -> None:
    batches = list(random_batches(file, np.arange(5), 8, seed=1, epoch=0))
    assert [len(b[0]) for b in batches] == [5]


def test_ordered_batches_hold_every_frame_in_order(file: RadioMLFile) -> None:
    indices = np.array([5, 3, 90, 1, 2])
    assert seen(ordered_batches(file, indices, 2)) == indices.tolist()


def test_frames_are_chosen_by_class_and_snr(file: RadioMLFile) -> None:
    chosen = choose(file, classes=["BPSK", "OOK"], snr_labels=[30])
    assert {CLASSES[i] for i in file.class_ids[chosen]} == {"BPSK", "OOK"}
    assert set(file.snr_labels[chosen].tolist()) == {30}
    assert len(chosen) == 4
    assert choose(file, np.array([95, 3, 94]), snr_labels=[30]).tolist() == [95, 3, 94]


def test_a_filter_that_is_wrong(file: RadioMLFile) -> None:
    with pytest.raises(ConfigError) as error:
        choose(file, classes=["8-PSK"])
    assert str(error.value) == f"classes must be among {', '.join(CLASSES)}, not 8-PSK"
    with pytest.raises(ConfigError) as error:
        choose(file, snr_labels=[0])
    assert str(error.value) == (
        f"the filter must leave frames of {file.path}, not none of 96; "
        "choose more classes or SNR labels"
    )


def test_the_documentation_s_example_runs(
    file: RadioMLFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = Path(__file__).parents[2] / "docs" / "data.md"
    code = guide.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "twin.hdf5").symlink_to(file.path)
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(code, names)
    snr_labels = names["snr_labels"]
    assert isinstance(snr_labels, np.ndarray)
    assert set(snr_labels.tolist()) == {30}


def test_processes_share_a_batch(file: RadioMLFile) -> None:
    whole = next(random_batches(file, np.arange(90), 20, seed=3, epoch=1))
    parts = [
        next(random_batches(file, np.arange(90), 20, seed=3, epoch=1, share=Share(rank, 2)))
        for rank in range(2)
    ]
    for i in range(3):
        np.testing.assert_array_equal(np.concatenate([part[i] for part in parts]), whole[i])
