import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from boltmod.cli.app import app
from boltmod.data import make as make_module
from boltmod.data.make import make
from boltmod.data.merge import merge
from boltmod.data.provenance import Plan, plain
from boltmod.data.radioml import RadioMLFile, grid_labels
from boltmod.errors import ConfigError
from boltmod.files import alone
from boltmod.signal.generator import generate

PLAN = Plan(frames_per_cell=1, seed=7, snr_labels=(-20, 0, 10, 30))
N_FRAMES = 96
WHOLE_GRID = Plan(frames_per_cell=1, seed=7)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven blocks in PLAN."""
    monkeypatch.setattr(make_module, "BLOCK_FRAMES", 15)
    monkeypatch.setattr(make_module, "GENERATE_FRAMES", 10)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """PLAN's file, made in one go."""
    path = tmp_path_factory.mktemp("whole") / "set.hdf5"
    make(PLAN, path)
    return path.read_bytes()


def test_the_file_holds_the_generator_s_frames(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    steps: list[tuple[int, int]] = []
    made = make(WHOLE_GRID, path, progress=lambda *step: steps.append(step))
    assert (made.n_frames, made.n_resumed) == (624, 0)
    assert steps == [(624, 624)]
    class_ids, snr_labels = grid_labels(1)
    with RadioMLFile(path) as file:
        np.testing.assert_array_equal(file.class_ids, class_ids)
        np.testing.assert_array_equal(file.snr_labels, snr_labels)
        expected = generate(torch.from_numpy(class_ids), torch.from_numpy(snr_labels), 7)
        np.testing.assert_array_equal(file.read(np.arange(624)), expected.numpy())
        assert file.is_memory_mapped
    assert os.listdir(tmp_path) == ["set.hdf5"]


def test_the_file_says_how_it_was_made(tmp_path: Path) -> None:
    make(PLAN, tmp_path / "set.hdf5")
    with RadioMLFile(tmp_path / "set.hdf5") as file:
        attributes = file.attributes
    assert {name: attributes[name] for name in ("profile", "seed", "frames_per_cell")} == {
        "profile": "twin", "seed": 7, "frames_per_cell": 1,
    }  # fmt: skip
    assert json.loads(attributes["parameters"])["channel.carrier_offset_std"] == 2.05e-4
    assert "shard" not in attributes


@pytest.mark.usefixtures("small_blocks")
def test_a_file_made_in_blocks_is_the_same(tmp_path: Path, whole: bytes) -> None:
    make(PLAN, tmp_path / "set.hdf5")
    assert (tmp_path / "set.hdf5").read_bytes() == whole


@pytest.mark.usefixtures("small_blocks")
def test_an_interrupted_file_is_finished_alike(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "set.hdf5"

    def interrupt(done: int, total: int) -> None:
        if done >= 45:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(PLAN, path, progress=interrupt)
    assert sorted(os.listdir(tmp_path)) == ["set.hdf5.blocks", "set.hdf5.partial"]
    steps: list[int] = []
    made = make(PLAN, path, progress=lambda done, total: steps.append(done))
    assert made.n_resumed == 45
    assert steps == [60, 75, 90, 96]
    assert path.read_bytes() == whole
    assert os.listdir(tmp_path) == ["set.hdf5"]


KILLED_AT_ITS_SECOND_BLOCK = """
import os, signal
from boltmod.cli.app import main
from boltmod.data import make

def killed(work, block, made=make.make_block):
    if block:
        os.kill(os.getpid(), signal.SIGKILL)
    return made(work, block)

make.make_block = killed
main()
"""


def test_a_killed_command_is_finished_alike_by_processes(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    command = ["data", "make", str(path), "--frames-per-cell", "14", "--seed", "3", "--json"]
    ended = subprocess.run([sys.executable, "-c", KILLED_AT_ITS_SECOND_BLOCK, *command])
    assert ended.returncode == -signal.SIGKILL
    assert not path.exists()
    done = CliRunner().invoke(app, [*command, "--workers", "2"], catch_exceptions=False)
    assert json.loads(done.stdout)["n_resumed"] == make_module.BLOCK_FRAMES
    make(Plan(frames_per_cell=14, seed=3), tmp_path / "again.hdf5")
    assert path.read_bytes() == (tmp_path / "again.hdf5").read_bytes()


def test_shards_merge_to_the_whole(tmp_path: Path, whole: bytes) -> None:
    shards = [tmp_path / f"part-{i}.hdf5" for i in (3, 1, 2)]
    for i, path in zip((3, 1, 2), shards, strict=True):
        make(replace(PLAN, shard=i, n_shards=3), path)
    assert merge(tmp_path / "set.hdf5", shards) == N_FRAMES
    assert (tmp_path / "set.hdf5").read_bytes() == whole


def test_a_compressed_file_holds_the_same_frames(tmp_path: Path, whole: bytes) -> None:
    path = tmp_path / "gzip.hdf5"
    make(PLAN, path, compress=True)
    (tmp_path / "plain.hdf5").write_bytes(whole)
    with RadioMLFile(path) as packed, RadioMLFile(tmp_path / "plain.hdf5") as plain:
        assert not packed.is_memory_mapped
        assert packed.attributes.keys() == plain.attributes.keys()
        np.testing.assert_array_equal(
            packed.read(np.arange(N_FRAMES)), plain.read(np.arange(N_FRAMES))
        )
    assert path.stat().st_size < 0.97 * len(whole)
    assert sorted(os.listdir(tmp_path)) == ["gzip.hdf5", "plain.hdf5"]


def test_a_finished_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    make(PLAN, path)
    before, content = path.stat(), path.read_bytes()
    made = make(PLAN, path)
    assert made.n_resumed == N_FRAMES
    after = path.stat()  # but for when it was last read, which reading it may change
    assert (after.st_ino, after.st_size) == (before.st_ino, before.st_size)
    assert (after.st_mtime_ns, after.st_ctime_ns) == (before.st_mtime_ns, before.st_ctime_ns)
    assert path.read_bytes() == content
    make(PLAN, path, force=True)
    assert path.stat().st_ino != before.st_ino


def test_a_lock_that_a_killed_command_left_goes(tmp_path: Path) -> None:
    path, lock = tmp_path / "x.hdf5", tmp_path / "x.hdf5.lock"
    plan = Plan(frames_per_cell=1, seed=7, snr_labels=(10,))
    make(plan, path)
    lock.touch()
    make(plan, path)
    assert not lock.exists()
    with alone(lock):
        make(plan, path)
        assert lock.exists()


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    make(PLAN, path)
    with pytest.raises(ConfigError) as error:
        make(replace(PLAN, seed=8), path)
    assert str(error.value) == (
        f"{path} must be the data set asked for, not another (seed 7, 8); "
        "choose another name, or replace it with --force"
    )
    path.write_text("my notes")
    with pytest.raises(ConfigError) as error:
        make(PLAN, path)
    assert str(error.value) == (
        f"{path} must be a data set made by boltmod, and is none; "
        "choose another name, or replace it with --force"
    )
    assert path.read_text() == "my notes"


@pytest.mark.usefixtures("small_blocks")
def test_the_beginning_of_another_file_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"

    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(PLAN, path, progress=interrupt)
    with pytest.raises(ConfigError) as error:
        make(replace(PLAN, frames_per_cell=2), path)
    assert str(error.value) == (
        f"{path}.partial must be the data set asked for, not another (frames_per_cell 1, 2); "
        "choose another name, or replace it with --force"
    )


def test_two_commands_do_not_make_one_file(tmp_path: Path) -> None:
    path = tmp_path / "set.hdf5"
    with alone(tmp_path / "set.hdf5.lock"), pytest.raises(ConfigError) as error:
        make(PLAN, path)
    assert str(error.value) == (
        f"{path} must be made by one command at a time, and another is at it; "
        "wait for it, or choose another name"
    )


def test_a_disk_that_is_too_small(tmp_path: Path) -> None:
    plan = Plan(frames_per_cell=10**9, seed=0)
    with pytest.raises(ConfigError, match=r"^.* must have 5236608\.0 GB of room, not \d+\.\d GB; "):
        make(plan, tmp_path / "set.hdf5")
    assert not (tmp_path / "set.hdf5.partial").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"frames_per_cell": 0},
            "frames_per_cell must be at least 1, not 0; the real data set has 4096",
        ),
        ({"shard": 3, "n_shards": 2}, "shard must be 1/n to n/n, not 3/2; number the parts from 1"),
        ({"shard": 0, "n_shards": 2}, "shard must be 1/n to n/n, not 0/2; number the parts from 1"),
        (
            {"n_shards": 625},
            "shard must be of at most 624 parts, not 625: each holds at least one frame",
        ),
    ],
)
def test_a_plan_that_cannot_be(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        Plan(**{"frames_per_cell": 1, "seed": 7} | changes)
    assert str(error.value) == message


def test_a_merge_that_cannot_be(tmp_path: Path) -> None:
    parts = [tmp_path / f"part-{i}.hdf5" for i in (1, 2)]
    for i, path in enumerate(parts):
        make(replace(PLAN, shard=i + 1, n_shards=2), path)
    make(replace(PLAN, seed=8, shard=2, n_shards=2), tmp_path / "other.hdf5")
    make(PLAN, tmp_path / "whole.hdf5")
    out = tmp_path / "set.hdf5"

    def refused(*shards: Path) -> str:
        with pytest.raises(ConfigError) as error:
            merge(out, shards)
        assert not out.exists()
        return str(error.value)

    assert refused(parts[0]) == (
        "the parts must be 1 to 2, each once, not 1; "
        "name every file that `boltmod data make --shard` wrote"
    )
    assert refused(parts[1], parts[1]) == (
        "the parts must be 1 to 2, each once, not 2, 2; "
        "name every file that `boltmod data make --shard` wrote"
    )
    assert refused(parts[0], tmp_path / "other.hdf5") == (
        f"{tmp_path}/other.hdf5 must be of the same data set as {parts[0]}, "
        "and differs (seed 7, 8); make it again with the same options"
    )
    assert refused(tmp_path / "whole.hdf5") == (
        f"{tmp_path}/whole.hdf5 must be a part made with `boltmod data make --shard i/n`, "
        "and is a whole data set"
    )
    with pytest.raises(ConfigError) as error:
        merge(parts[0], parts)
    assert str(error.value) == (f"{parts[0]} must not exist yet; choose another name, or remove it")


def test_profiles_and_their_parameters_are_chosen(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "set.hdf5"
    options = ["--frames-per-cell", "1", "--profile", "textbook", "--workers", "1", "--json"]
    change = [
        "--set",
        "noise.snr_db_at_label_zero=3.5",
        "--set",
        "linear.constellations.oqpsk=axis",
    ]
    app(["data", "make", str(path), *options, *change], standalone_mode=False)
    document = json.loads(capsys.readouterr().out)
    assert document["n_frames"] == 624
    with RadioMLFile(path) as file:
        made = plain(file.attributes)
    assert made["profile"] == "textbook"
    assert made["parameters"]["noise.snr_db_at_label_zero"] == 3.5
    assert made["parameters"]["linear.constellations.oqpsk"] == "axis"
    with pytest.raises(ConfigError) as error:
        app(["data", "make", str(path), "--set", "noise"], standalone_mode=False)
    assert str(error.value) == "--set must be NAME=VALUE, not noise; add a value"
