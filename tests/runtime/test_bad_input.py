"""Whatever a file holds, looking for signals in it ends with signals, none, or a clear line."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from boltmod.errors import BoltmodError
from boltmod.recording.opening import open_recording
from boltmod.recording.raw import SampleFormat
from boltmod.runtime.cut.listener import find_signals

CONTENTS = {
    "zeros": np.zeros(50_000, np.complex64),
    "a constant": np.full(50_000, 0.5 + 0.5j, np.complex64),
    "one impulse": np.eye(1, 50_000, 20_000, dtype=np.complex64)[0],
    "the largest numbers": np.full(50_000, 9e14, np.complex64),
    "the smallest numbers": np.full(50_000, 1e-40, np.complex64),
    "one sample": np.ones(1, np.complex64),
    "less than a row": np.ones(511, np.complex64),
    "a row": np.ones(512, np.complex64),
    "alternating": np.resize(np.array([1, -1], np.complex64), 50_000),
}


CAREFULLY = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.mark.parametrize("kind", CONTENTS)
def test_there_is_no_signal_in(tmp_path, kind):
    CONTENTS[kind].tofile(tmp_path / "x.cf32")
    assert find_signals(open_recording(tmp_path / "x.cf32", rate_hz=1e5)) == []


@CAREFULLY
@given(
    content=st.binary(max_size=300),
    times=st.integers(1, 60),
    sample_format=st.sampled_from(SampleFormat),
    rate_hz=st.sampled_from([1e-3, 1.0, 48e3, 1e9, 1e15]),
)  # fmt: skip
@example(  # a signalling NaN, which warns even where it is printed
    content=b"\x00\x00\x00\x00\x7f\x80\x00\x01\x00\x00\x00\x00", times=2,
    sample_format=SampleFormat.CF32_BE, rate_hz=1e-3,
)  # fmt: skip
def test_any_bytes_as_any_samples(tmp_path, content, times, sample_format, rate_hz):
    path = tmp_path / "x.raw"
    path.write_bytes(content * times)
    found = []
    with suppress(BoltmodError):
        found = find_signals(open_recording(path, sample_format.label, rate_hz))
    for each in found:
        assert np.isfinite([each.offset_hz, each.bandwidth_hz, each.symbol_rate_hz]).all()
        assert each.bandwidth_hz > 0


@CAREFULLY
@given(content=st.binary(max_size=200), suffix=st.sampled_from([".wav", ".sigmf-meta", ".sigmf"]))
def test_any_bytes_as_any_file(tmp_path, content, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(BoltmodError) as error:
        open_recording(path)
    assert "\n" not in str(error.value)
