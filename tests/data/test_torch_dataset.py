"""Frames for torch's own loader, in processes that are spawned."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from boltmod.data.make import make
from boltmod.data.provenance import Plan
from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split
from boltmod.data.torch import RadioMLDataset


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("data") / "set.hdf5"
    make(Plan(frames_per_cell=2, seed=3), file)
    return file


def test_items_are_the_files_frames_of_the_split(path: Path) -> None:
    with RadioMLFile(path) as file:
        test = np.sort(official_split(file.class_ids, file.snr_labels).test)
        test = test[file.snr_labels[test] >= 10]
        frames, ids, snr_labels = file.read(test), file.class_ids[test], file.snr_labels[test]
    data = RadioMLDataset(path, "test", minimum_snr=10)
    assert len(data) == len(test) == 24 * 11
    planes, class_id, snr_label = data[7]
    assert torch.equal(planes, torch.from_numpy(frames[7]))
    assert (class_id, snr_label) == (ids[7], snr_labels[7])
    assert len(RadioMLDataset(path, "all")) == 2 * 24 * 26


def test_spawned_workers_read_what_one_process_reads(path: Path) -> None:
    data = RadioMLDataset(path, "test", minimum_snr=24)
    data[0]  # the file is open, and still the set can be sent
    loader = DataLoader(data, batch_size=40, num_workers=2, multiprocessing_context="spawn")
    batches = list(loader)
    assert [len(planes) for planes, _, _ in batches] == [40, 40, 16]
    planes = torch.cat([each for each, _, _ in batches])
    assert torch.equal(planes, torch.stack([data[place][0] for place in range(len(data))]))
    ids = torch.cat([each for _, each, _ in batches])
    assert ids.tolist() == [data[place][1] for place in range(len(data))]
