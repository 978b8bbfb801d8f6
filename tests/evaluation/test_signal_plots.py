from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from boltmod.cli.app import app
from boltmod.data.choice import chosen_batches
from boltmod.errors import ConfigError
from boltmod.evaluation import signal_plots
from boltmod.modulation import Modulation
from boltmod.signal.generator import generate


@pytest.mark.parametrize(
    ("modulation", "n_points"),
    [(Modulation.BPSK, 2), (Modulation.QPSK, 4), (Modulation.PSK8, 8), (Modulation.ASK4, 4)],
)
def test_points_at_the_symbols_instants_are_the_alphabet(
    modulation: Modulation, n_points: int
) -> None:
    ids = torch.full((6,), modulation.index)
    for planes in generate(ids, torch.full((6,), 30), 3).double().numpy():
        points = signal_plots.at_symbols(planes[0] + 1j * planes[1], modulation)
        assert len(points) == 120
        if modulation is Modulation.ASK4:
            level = np.abs(points.imag).max() / np.abs(points.real).max()
            assert level < 0.02
        else:
            phase = np.angle(points) * n_points / (2 * np.pi)
            assert np.abs(np.exp(2j * np.pi * phase).mean()) > 0.6
            assert len(np.unique(np.round(phase - phase[0]) % n_points)) == n_points


def test_the_command_draws_two_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--class", "BPSK", "--class", "FM", "--frames-per-cell", "2", "--json"]
    app(["data", "plot", "twin", "--out", str(tmp_path), *options], standalone_mode=False)
    pictures = json.loads(capsys.readouterr().out)["pictures"]
    assert [Path(p).name for p in pictures] == ["classes_+30_db.png", "constellations_over_snr.png"]
    assert all(Path(p).read_bytes().startswith(b"\x89PNG") for p in pictures)


def test_an_snr_that_is_not_there_is_named() -> None:
    frames = signal_plots.frames_by_cell(chosen_batches("twin", ["FM"], [0, 4], 1, 0))
    message = "the SNR label must be one of 0, 4, not 30; choose another"
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        signal_plots.class_sheet(frames, 30)
