"""A disk that is full, or a limit on files: one error, and nothing half-written."""

import resource
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

from boltmod import files
from boltmod.data.radioml_writer import RadioMLWriter
from boltmod.errors import ConfigError

Usage = namedtuple("Usage", "total used free")


def test_hdf5_is_not_begun_without_room(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: Usage(10**6, 10**6 - 20_000, 20_000))
    with pytest.raises(ConfigError) as error:
        RadioMLWriter(tmp_path / "x.hdf5", [0] * 500, [0] * 500)
    assert str(error.value) == (
        f"{tmp_path}/x.hdf5 must have 4.3 MB of room, not 0.0 MB; choose another disk"
    )
    assert not list(tmp_path.iterdir())


def limited(script, n_bytes):
    """Run Python that may not write files longer than that."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))

    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, preexec_fn=limit
    )


def test_room_is_taken_before_hdf5_writes(tmp_path):
    script = (
        "from boltmod.data.radioml_writer import RadioMLWriter\n"
        f"RadioMLWriter({str(tmp_path / 'x.hdf5')!r}, [0] * 500, [0] * 500)"
    )
    ended = limited(script, 2_000_000)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith("OSError: ")
    assert not list(tmp_path.iterdir())


def test_a_checkpoint_that_cannot_be_written_is_an_error_of_the_system(tmp_path):
    script = (
        "import torch; from pathlib import Path; from boltmod.train import checkpoint\n"
        "one = checkpoint.Checkpoint({'a': torch.zeros(1_000_000)})\n"
        f"checkpoint.save(one, Path({str(tmp_path / 'x.safetensors')!r}))"
    )
    ended = limited(script, 100_000)
    assert ended.stderr.splitlines()[-1].startswith(f"OSError: {tmp_path}/x.safetensors: ")
    assert not list(tmp_path.iterdir())


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    with files.replacing(tmp_path / "x") as one, files.replacing(tmp_path / "x") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "x").read_text() == "one"
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


def test_what_is_read_is_not_written_over(tmp_path):
    (tmp_path / "own.csv").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "own.csv")
    with pytest.raises(ConfigError, match="must be another file than"):
        files.refuse_same(tmp_path / "link", tmp_path / "own.csv")
    files.refuse_same(tmp_path / "new.csv", tmp_path / "own.csv")


def test_what_is_there_stays_unless_told(tmp_path):
    (tmp_path / "x").write_text("x")
    with pytest.raises(ConfigError, match=r"or replace it with --force$"):
        files.refuse_existing(tmp_path / "x", force=False)
    files.refuse_existing(tmp_path / "x", force=True)


def test_one_at_a_time(tmp_path):
    first, second = (files.held(tmp_path / "lock", "wait") for _ in range(2))
    with first, pytest.raises(ConfigError, match=r"^wait$"), second:
        pass
    with files.held(tmp_path / "lock", "wait"):
        pass


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_that_are_closed(tmp_path, closed):
    np.ones(3000, np.complex64).tofile(tmp_path / "x.cf32")
    script = "from boltmod.cli.terminal import stdout, stderr; stdout.print(1); stderr.print(2)"
    command = f'"{sys.executable}" -c "{script}" {closed}'
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 0


def test_a_full_disk_behind_standard_output():
    script = "from boltmod.cli.app import main; main()"
    command = f'"{sys.executable}" -c "{script}" leaderboard > /dev/full'
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        "error: No space left on device; check the path, its rights and the room on the disk\n"
    )
