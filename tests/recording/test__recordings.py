"""Laws that every recording must obey, whatever it is read from."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import wavfile

from boltmod.recording.arrays import ArrayRecording
from boltmod.recording.live.buffer import LiveRecording
from boltmod.recording.opening import open_recording
from boltmod.recording.raw import SampleFormat
from boltmod.recording.recording import Recording
from hand_made_signals import encode
from hand_made_streams import Pieces

RATE_HZ = 48_000.0
N = 5120  # whole windows: a stream that does not wait brings no others


def made() -> np.ndarray:
    rng = np.random.default_rng(7)
    return (0.2 * (rng.standard_normal(N) + 1j * rng.standard_normal(N))).astype(np.complex64)


def raw(sample_format: SampleFormat) -> Callable[[Path], Any]:
    def opened(folder: Path) -> Any:
        path = folder / "x.raw"
        path.write_bytes(encode(made(), sample_format))
        return open_recording(path, sample_format.label, rate_hz=RATE_HZ)

    return opened


def wav(folder: Path) -> Any:
    planes = (made().view(np.float32).reshape(-1, 2) * 20_000).astype(np.int16)
    wavfile.write(folder / "x.wav", int(RATE_HZ), planes)
    return open_recording(folder / "x.wav")


def npy(folder: Path) -> Any:
    np.save(folder / "x.npy", made())
    return open_recording(folder / "x.npy", rate_hz=RATE_HZ)


def sigmf(folder: Path) -> Any:
    told = {"core:datatype": "cf32_le", "core:sample_rate": RATE_HZ, "core:version": "1.2.0"}
    document = {"global": told, "captures": [{"core:sample_start": 0}], "annotations": []}
    (folder / "x.sigmf-meta").write_text(json.dumps(document))
    (folder / "x.sigmf-data").write_bytes(made().tobytes())
    return open_recording(folder / "x.sigmf-meta")


def stream(folder: Path) -> Any:
    content = made().tobytes()
    pieces = Pieces([content[:7], content[7:9999], content[9999:]])
    return LiveRecording(pieces, SampleFormat.CF32, rate_hz=RATE_HZ)


KINDS: dict[str, Callable[[Path], Any]] = {each.label: raw(each) for each in SampleFormat} | {
    "wav": wav,
    "npy": npy,
    "sigmf": sigmf,
    "array": lambda folder: ArrayRecording(made(), RATE_HZ),
    "stream": stream,
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_read_in_stretches_that_follow_each_other(tmp_path: Path, kind: str) -> None:
    recording = KINDS[kind](tmp_path)
    assert isinstance(recording, Recording)
    assert recording.rate_hz == RATE_HZ
    assert recording.name
    told = recording.n_samples
    with recording if kind == "stream" else nullcontext():
        read = [each for each in recording.stretches(2048) if len(each.samples)]
    at = recording.first_sample
    for stretch in read:
        assert stretch.samples.dtype == np.complex64
        assert len(stretch.samples) <= 2048
        assert np.isfinite(stretch.samples).all()
        assert (stretch.first_sample, stretch.end) == (at, at + len(stretch.samples))
        at = stretch.end
    assert told in (None, at - recording.first_sample)
    assert at - recording.first_sample == N


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "stream"])
def test_its_samples_do_not_depend_on_how_many_are_read_at_once(tmp_path: Path, kind: str) -> None:
    recording = KINDS[kind](tmp_path)
    is_real = recording.sample_format.is_real
    one, other = (
        np.concatenate([each.samples for each in recording.stretches(n)]) for n in (999, N)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)
    given = made()
    if is_real:
        one, given = one.real, given.real
    scale = 1 if kind != "wav" else 20_000 / 32_768
    loss = 0.02 if kind in ("ci8", "cu8", "ri8", "ru8") else 0.001
    middle = slice(200, -200)  # a real signal is made analytic by a filter
    np.testing.assert_allclose(one[middle], scale * given[middle], atol=loss)
