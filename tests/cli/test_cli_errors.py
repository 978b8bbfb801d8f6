"""How the command line says what went wrong outside it: one line, exit status 1."""

import sys
from pathlib import Path

import pytest

from boltmod.cli.app import main


def run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> str:
    monkeypatch.setattr(sys, "argv", ["boltmod", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_place_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("not a folder")
    place = tmp_path / "file" / "set.hdf5"
    said = run(monkeypatch, capsys, "data", "make", place, "--frames-per-cell", 1)
    assert said == (
        f"error: {tmp_path}/file: File exists; check the path, its rights and the room on the disk"
    )


def test_a_boltmod_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    said = run(monkeypatch, capsys, "data", "info", tmp_path / "none.hdf5")
    assert said == (
        f"error: {tmp_path}/none.hdf5 must be a file, and there is none; give a file in "
        "RadioML 2018.01A's layout, or make one with `boltmod data make` or `boltmod data convert`"
    )
