"""A picture of a recording holds its band, its boxes and each signal's symbols."""

import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.errors import ConfigError, ToolNotFoundError
from boltmod.evaluation.recording_picture import check_path, draw
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.runtime.cut.channel.spectrogram import Spectrogram, Waterfall
from boltmod.runtime.cut.listener import Listener
from boltmod.runtime.symbols import symbols
from boltmod.runtime.verdict import Verdict
from hand_made_signals import BPSK, QPSK, linear, noise, shifted


@pytest.fixture
def recording(tmp_path):
    rng = np.random.default_rng(7)
    wave = shifted(linear(rng, 200_000, 0.05, QPSK), -0.2) + noise(rng, 200_000, 0.1)
    wave[50_000:120_000] += shifted(linear(rng, 70_000, 0.1, BPSK), 0.2)
    path = tmp_path / "x.cf32"
    wave.astype(np.complex64).tofile(path)
    return RawRecording(path, SampleFormat.CF32, 100e3, centre_hz=433.92e6)


def heard(recording):
    waterfall = Waterfall()
    listener = Listener(waterfall=waterfall)
    windows = {each.signal.number: each.samples for each in listener(recording)}
    verdicts = [Verdict(each, "BPSK", 0.9, 10, {"BPSK": 10}) for each in listener.signals]
    return waterfall.measured(), verdicts, windows


def test_a_picture_tells_where_and_what(recording):
    seen, verdicts, windows = heard(recording)
    figure = draw(recording, seen, verdicts, windows)
    waterfall, *constellations = figure.axes
    assert waterfall.get_title(loc="left") == "x.cf32"
    assert waterfall.get_xlabel() == "time (s)"
    assert waterfall.get_ylabel() == "offset from 433.92 MHz (kHz)"
    assert [text.get_text() for text in waterfall.texts] == ["1  BPSK  90%", "2  BPSK  90%"]
    n_spans = sum(len(each.signal.spans) for each in verdicts)
    assert len(waterfall.patches) == 2 * n_spans
    assert len(constellations) == 2
    middles = sorted(round(box.get_y() + box.get_height() / 2) for box in waterfall.patches[::2])  # type: ignore[attr-defined]
    assert middles == [-20, 20]


def test_symbols_lie_where_they_were_sent(recording):
    _, verdicts, windows = heard(recording)
    for verdict in verdicts:
        power = verdict.signal.carrier_order
        for window in windows[verdict.signal.number]:
            points = symbols(window, power)
            points /= np.abs(points).mean()
            nearest = np.array(BPSK if power == 2 else np.array(QPSK) * np.exp(0.25j * np.pi))
            error = np.abs(points[:, np.newaxis] - nearest).min(axis=1)
            assert np.sqrt((error**2).mean()) < 0.2


def test_a_picture_of_nothing(recording):
    nothing = Spectrogram(np.empty((0, 512)), 512, 0)
    assert len(draw(recording, nothing, [], {}).axes) == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("x.svg", "picture must end in .png, not 'x.svg': rename it"),
        ("away/x.png", "picture must lie in a folder that exists, not away: make it"),
    ],
)
def test_a_place_that_no_picture_can_have(name, message):
    with pytest.raises(ConfigError) as error:
        check_path(Path(name))
    assert str(error.value) == message


def test_without_matplotlib(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ToolNotFoundError) as error:
        check_path(tmp_path / "x.png")
    assert str(error.value) == (
        "pictures must have matplotlib, which is not installed; "
        "get it with `pip install boltmod[plot]`"
    )


def test_the_command_draws_it(recording, tmp_path):
    model = tmp_path / "net.onnx"
    model.write_bytes(hand_made.convolutional().SerializeToString())
    path = tmp_path / "x.png"
    arguments = ["classify", recording.path, "-r", "100k", "-m", model, "--picture", path]
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert done.exit_code == 0
    assert path.read_bytes().startswith(b"\x89PNG")
