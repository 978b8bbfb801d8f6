import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from boltmod import __version__
from boltmod.cli.app import app
from boltmod.data.check import Origin, check, deviations, label_order, origin
from boltmod.data.make import make
from boltmod.data.provenance import Plan
from boltmod.data.radioml import grid_labels
from boltmod.data.statistics import (
    REAL_MEAN_POWER,
    REAL_MEAN_POWER_BY_SNR,
    REAL_SHARE_BEYOND_TWO,
    Statistics,
)
from boltmod.errors import DataFormatError
from boltmod.modulation import CLASSES, FRAMES_PER_CELL, MISLEADING_ORDER, SNR_LABELS


@pytest.fixture(scope="module")
def twin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight frames a cell."""
    path = tmp_path_factory.mktemp("twin") / "set.hdf5"
    make(Plan(frames_per_cell=8, seed=5), path)
    return path


def anonymous(path: Path, labels: np.ndarray | None = None) -> Path:
    """The same file with no word of its origin, and perhaps other labels."""
    with h5py.File(path, "r+") as file:
        for name in list(file.attrs):
            del file.attrs[name]
        if labels is not None:
            file["Y"][:] = np.eye(24, dtype=np.int64)[labels]
    return path


def like_the_real_set() -> Statistics:
    """A full grid whose means are the published ones; the others are filled in to fit."""
    by_class = np.array([REAL_MEAN_POWER.get(name, 1.0) for name in CLASSES])
    by_snr = np.full(26, np.nan)
    for snr, power in REAL_MEAN_POWER_BY_SNR.items():
        by_snr[SNR_LABELS.index(snr)] = power
    free = np.isnan(by_snr)
    by_snr[free] = (26 * by_class.mean() - by_snr[~free].sum()) / free.sum()
    power = by_class[:, None] + by_snr[None, :] - by_class.mean()
    beyond = np.zeros((24, 26))
    for name, share in REAL_SHARE_BEYOND_TWO.items():
        beyond[CLASSES.index(name), -1] = share
    n = FRAMES_PER_CELL
    return Statistics(np.full((24, 26), n), power * n, beyond * n)


def test_a_twin_is_sound_and_known(twin: Path) -> None:
    result = check(twin)
    assert result.origin is Origin.BOLTMOD
    assert result.notes == (
        f"made by boltmod {__version__}, profile twin 2, seed 5, 8 frames a cell",
    )
    assert result.n_frames == 8 * 24 * 26


def test_a_twin_that_does_not_say_so_is_not_the_real_one(twin: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    path.write_bytes(twin.read_bytes())
    result = check(anonymous(path))
    assert result.origin is Origin.OTHER
    assert result.notes == ()


def test_the_real_set_is_known_by_size_order_and_statistics() -> None:
    differences = deviations(like_the_real_set())
    assert max(map(abs, differences.values())) < 1e-9
    assert len(differences) == 25
    class_ids, snr_labels = grid_labels(FRAMES_PER_CELL)
    assert origin(class_ids, snr_labels, differences, {}) is Origin.REAL
    assert origin(class_ids, snr_labels[::-1], differences, {}) is Origin.PART
    assert origin(class_ids[:-1], snr_labels[:-1], differences, {}) is Origin.PART
    one_off = differences | {"mean power of OOK": 0.03}
    assert origin(class_ids, snr_labels, one_off, {}) is Origin.OTHER
    assert origin(class_ids, snr_labels, differences, {"boltmod_version": "1"}) is Origin.BOLTMOD
    assert origin(class_ids, snr_labels, {}, {}) is Origin.UNKNOWN


def test_only_means_over_the_same_frames_are_compared() -> None:
    full = like_the_real_set()
    n_frames = full.n_frames.copy()
    n_frames[CLASSES.index("OOK"), SNR_LABELS.index(0)] = 0
    names = set(deviations(Statistics(n_frames, full.power, full.beyond_two)))
    assert set(deviations(full)) - names == {"mean power of OOK", "mean power at 0 dB"}


def test_right_labels_are_not_complained_about(twin: Path) -> None:
    assert label_order(check(twin).statistics) == ""
    assert label_order(like_the_real_set()) == ""


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (
            [MISLEADING_ORDER.index(name) for name in CLASSES],
            "Y follows the order of the data set's own classes.txt instead of the real labels': "
            "reorder its columns to " + ", ".join(CLASSES),
        ),
        (
            [CLASSES.index(name) for name in MISLEADING_ORDER],
            "Y was renamed by the data set's own classes.txt, which is wrong: "
            "take the labels of the original file",
        ),
        (
            list(range(23, -1, -1)),
            "8PSK, 16PSK, FM, GMSK, OQPSK carry a constant part, which OOK, ASK and AM-SSB "
            "should: Y is in some other order",
        ),
    ],
)
def test_wrong_orders_of_labels_are_found(
    twin: Path, tmp_path: Path, mapping: list[int], words: str
) -> None:
    path = tmp_path / "set.hdf5"
    path.write_bytes(twin.read_bytes())
    labels = np.array(mapping)[grid_labels(8)[0]]
    notes = check(anonymous(path, labels)).notes
    assert notes[-1] == words


def test_a_misleading_list_beside_the_file_is_named(twin: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    path.write_bytes(twin.read_bytes())
    (tmp_path / "classes-fixed.json").write_text(json.dumps(CLASSES))
    (tmp_path / "classes.txt").write_text(f"classes = {list(MISLEADING_ORDER)}")
    assert check(path).notes[1:] == (
        f"the names in {tmp_path}/classes.txt are not to be believed: they stand in the order of "
        "the data set's own classes.txt, which its labels do not follow: label 0 is OOK, not 32PSK",
    )


def test_what_is_odd_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    make(Plan(frames_per_cell=2, seed=5, shard=2, n_shards=9), path, compress=True)
    with h5py.File(path, "r+") as file:
        file["Z"][:] = file["Z"][:][::-1]
    assert check(path).notes == (
        f"made by boltmod {__version__}, profile twin 2, seed 5, 2 frames a cell",
        "part 2 of 9: join the parts with `boltmod data merge`",
        "71 of 624 (class, SNR) pairs have frames",
        "some (class, SNR) pairs have more frames than others",
        "the frames do not lie class by class and SNR by SNR: "
        "the official split of this file is another than the challenge's",
        "X is compressed or in chunks: reading at random is slow",
    )


def test_a_sample_that_is_not_finite_is_found(twin: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    path.write_bytes(twin.read_bytes())
    with h5py.File(path, "r+") as file:
        file["X"][4321, 5, 0] = np.nan
    with pytest.raises(DataFormatError) as error:
        check(path)
    assert str(error.value) == (
        f"X in {path} must be finite, not nan in frame 4321; "
        "leave the frame out or copy the file again"
    )


def test_the_commands_tell_it(capsys: pytest.CaptureFixture[str], twin: Path) -> None:
    app(["data", "check", str(twin), "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert document["origin"] == "boltmod"
    assert len(document["deviations_from_the_real_set"]) == 25
    app(["data", "check", str(twin)], standalone_mode=False)
    out = capsys.readouterr().out
    assert out.startswith(f"{twin}: sound, 4,992 frames, every sample finite\norigin: made by")
    app(["data", "info", str(twin), "--json"], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert document["frames_per_cell"] == [8, 8]
    assert document["made"]["seed"] == 5
    assert document["made"]["parameters"]["channel.carrier_offset_std"] == 2.05e-4
    app(["data", "info", str(twin)], standalone_mode=False)
    out = capsys.readouterr().out
    assert "frames      4,992: 624 cells of 8, 1024 samples each\n" in out
    assert f"made by     boltmod {__version__}, profile twin 2, seed 5, 8 frames a cell\n" in out
