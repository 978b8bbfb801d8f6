"""Real and interrupted WAV files, SigMF archives, pipes, telling names; and nonsense in each."""

import io
import json
import struct
import tarfile
from datetime import UTC, datetime

import numpy as np
import pytest
import sigmf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import wavfile

from boltmod.errors import BoltmodError, ConfigError, DataFormatError, SourceError
from boltmod.recording.analytic import analytic
from boltmod.recording.file_names import NamedFacts, facts_of
from boltmod.recording.live.buffer import LiveRecording, Overload
from boltmod.recording.live.byte_source import FileSource
from boltmod.recording.opening import open_recording
from boltmod.recording.quantity import parse_offset, parse_rate
from boltmod.recording.raw import SampleFormat

FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def whole(recording, block=700):
    return np.concatenate([each.samples for each in recording.stretches(block)])


def tone(frequency, n=8000):
    return np.cos(2 * np.pi * frequency * np.arange(n)).astype(np.float32)


@pytest.mark.parametrize("frequency", [0.01, 0.1, 0.3, 0.49])
def test_the_analytic_signal_of_a_cosine_turns_one_way(frequency):
    turned = np.concatenate(list(analytic([tone(frequency).astype(np.complex64)])))
    expected = np.exp(2j * np.pi * frequency * np.arange(8000))
    inside = slice(200, -200)
    np.testing.assert_allclose(turned[inside], expected[inside], atol=5e-3)


@pytest.mark.parametrize("block", [1, 100, 254, 255, 1000, 3000])
def test_the_analytic_signal_does_not_depend_on_the_blocks(block):
    noise = np.random.default_rng(0).standard_normal(3000).astype(np.complex64)
    together = np.concatenate(list(analytic([noise])))
    parts = [noise[start : start + block] for start in range(0, 3000, block)]
    assert len(together) == 3000
    np.testing.assert_allclose(np.concatenate(list(analytic(parts))), together, atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_wav_of_one_channel_becomes_analytic(tmp_path, dtype):
    path = tmp_path / "x.wav"
    real = 0.5 * tone(0.2)
    if np.dtype(dtype).kind != "f":
        limits = np.iinfo(dtype)
        real = (limits.max + limits.min + 1) / 2 + real.astype(np.float64) * limits.max / 2
    wavfile.write(path, 48000, real.astype(dtype))
    recording = open_recording(path)
    samples = whole(recording)
    spectrum = abs(np.fft.fft(samples[500:7500]))
    assert recording.rate_hz == 48000
    assert recording.n_samples == len(samples) == 8000
    assert spectrum.argmax() == 1400
    assert spectrum[3501:].max() < 0.01 * spectrum.max()


def wav_bytes(n_channels, n_bits, content, code=1, size=None, magic=b"RIFF", before=b""):
    fmt = struct.pack(
        "<HHIIHH", code, n_channels, 96000, 0, n_channels * n_bits // 8, n_bits
    )  # fmt: skip
    size = len(content) if size is None else size
    return (
        magic + struct.pack("<I", 0) + b"WAVE" + before
        + b"fmt " + struct.pack("<I", 16) + fmt
        + b"data" + struct.pack("<I", size) + content
    )  # fmt: skip


def test_wav_of_24_bits(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(wav_bytes(2, 24, bytes([0, 0, 0x40, 0, 0, 0xC0, 1, 0, 0, 0, 0, 0x80])))
    np.testing.assert_allclose(whole(open_recording(path)), [0.5 - 0.5j, 2.0**-23 - 1j])


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 400])
def test_wav_whose_program_was_stopped(tmp_path, size):
    path = tmp_path / "x.wav"
    path.write_bytes(wav_bytes(2, 16, bytes(203), size=size))
    assert open_recording(path).n_samples == 50


def test_wav_with_its_length_elsewhere(tmp_path):
    path = tmp_path / "x.wav"
    ds64 = b"ds64" + struct.pack("<IQQQI", 28, 0, 80, 0, 0)
    content = bytes(100)
    path.write_bytes(wav_bytes(2, 16, content, size=0xFFFFFFFF, magic=b"RF64", before=ds64))
    assert open_recording(path).n_samples == 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (wav_bytes(3, 16, bytes(60)), "FILE must have one real channel, or two, I left and Q "
         "right, not 3: choose with --channels 1,2"),
        (wav_bytes(2, 12, bytes(60)), "FILE must hold integers of 8, 16, 24 or 32 bits or floats "
         "of 32 or 64, not 12 bits of format 1: convert it"),
        (wav_bytes(2, 16, b""), "FILE must hold samples, and is empty: record again"),
        (wav_bytes(2, 16, b"")[:30], "FILE must be a readable WAV file, which it is not (it ends "
         "within its header): record again"),
    ],
)  # fmt: skip
def test_wav_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / "x.wav"
    path.write_bytes(content)
    with pytest.raises(DataFormatError) as error:
        open_recording(path)
    assert str(error.value).replace(str(path), "FILE") == message


@pytest.fixture
def archive(tmp_path):
    samples = (np.arange(500) * (1 + 2j)).astype(np.complex64)
    data = tmp_path / "air.sigmf-data"
    samples.tofile(data)
    meta = sigmf.SigMFFile(
        data_file=data, global_info={"core:datatype": "cf32_le", "core:sample_rate": 48000}
    )
    meta.add_capture(0, metadata={"core:frequency": 433.92e6})
    path = tmp_path / "air.sigmf"
    meta.archive(str(path))
    return path, samples


def test_an_archive_is_read_where_it_is(archive):
    path, samples = archive
    recording = open_recording(path)
    assert (recording.rate_hz, recording.centre_hz) == (48000, 433.92e6)
    np.testing.assert_array_equal(whole(recording), samples)


def test_an_archive_with_other_samples_than_it_says(archive):
    path, _ = archive
    with tarfile.open(path) as file:
        offset = next(m.offset_data for m in file if m.name.endswith("-data"))
    content = bytearray(path.read_bytes())
    content[offset + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataFormatError) as error:
        open_recording(path)
    assert str(error.value) == (
        f"{path} must hold the samples that its metadata's checksum names, and holds others: "
        "fetch it again"
    )


def tar_of(path, members):
    with tarfile.open(path, "w") as file:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))


def test_archives_of_no_or_half_a_recording(tmp_path):
    path = tmp_path / "x.sigmf"
    tar_of(path, {})
    with pytest.raises(DataFormatError) as error:
        open_recording(path)
    assert str(error.value) == (
        f"{path} must hold one recording, not 0: unpack it with tar -xf x.sigmf"
    )
    meta = {"global": {"core:datatype": "cf32_le", "core:version": "1.2.0"},
            "captures": [], "annotations": []}  # fmt: skip
    tar_of(path, {"a/b.sigmf-meta": json.dumps(meta).encode()})
    with pytest.raises(DataFormatError) as error:
        open_recording(path)
    assert str(error.value) == (
        f"{path} must hold the samples too, and does not: archive both files"
    )


MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("gqrx_20240102_030405_433920000_1800000_fc.raw",
         NamedFacts(1.8e6, 433.92e6, SampleFormat.CF32, started=MOMENT)),
        ("baseband_145800000Hz_12-30-45_01-02-2024.wav", NamedFacts(None, 145.8e6)),
        ("HackRF_20240102_030405Z_868300kHz_IQ.wav", NamedFacts(None, 868.3e6, started=MOMENT)),
        ("SDRSharp_20240102_030405Z_100000000Hz_IQ.wav", NamedFacts(None, 1e8, started=MOMENT)),
        ("g001_433.92M_250k.cu8", NamedFacts(250e3, 433.92e6)),
        ("pass_2.4Msps.cs8", NamedFacts(2.4e6)),
        ("itasat1.wav", NamedFacts()),
        ("gr01_0k.cu8", NamedFacts()),
    ],
)  # fmt: skip
def test_names_that_tell(tmp_path, name, facts):
    assert facts_of(tmp_path / name) == facts


def test_a_name_fills_in_what_the_file_does_not_say(tmp_path):
    path = tmp_path / "g001_433.92M_250k.cu8"
    path.write_bytes(bytes(100))
    recording = open_recording(path)
    assert (recording.rate_hz, recording.centre_hz) == (250e3, 433.92e6)
    assert open_recording(path, rate_hz=1e6).rate_hz == 1e6
    gqrx = tmp_path / "gqrx_20240102_030405_433920000_1800000_fc.raw"
    gqrx.write_bytes(bytes(80))
    assert open_recording(gqrx).n_samples == 10


@pytest.mark.parametrize(
    ("text", "offset_hz"), [("0", 0), ("-100k", -1e5), ("+12.5k", 12500), ("1M", 1e6)]
)
def test_offsets(text, offset_hz):
    assert parse_offset(text) == offset_hz


def test_what_is_no_offset():
    with pytest.raises(ConfigError) as error:
        parse_offset("up")
    assert str(error.value) == (
        "offset must be a number of hertz, such as 12.5k or -100k, not 'up': write it so"
    )


class Dribble(io.BytesIO):
    """A pipe that gives a few bytes at a time."""

    def read(self, size=-1):
        return super().read(min(size, 7))


@pytest.mark.parametrize("kind", [SampleFormat.CF32, SampleFormat.CI24, SampleFormat.RI16])
def test_a_pipe_brings_what_a_file_holds(tmp_path, kind):
    rng = np.random.default_rng(0)
    content = rng.integers(0, 40, 3000 * kind.sample_bytes).astype(np.uint8).tobytes()
    path = tmp_path / "x"
    path.write_bytes(content)
    source = FileSource(Dribble(content + b"\0"))
    with LiveRecording(source, kind, overload=Overload(lossless=True, n_buffered=1)) as piped:
        windows = whole(piped, 2048)
    filed = whole(open_recording(path, kind.label))
    np.testing.assert_allclose(windows, filed, rtol=1e-4, atol=1e-5)


def test_a_pipe_that_brings_nothing():
    with pytest.raises(SourceError) as error, LiveRecording(
        FileSource(io.BytesIO(b"abc")), SampleFormat.CI16
    ) as piped:  # fmt: skip
        whole(piped)
    assert str(error.value) == (
        "standard input must bring samples, and brought none (its writer ended): "
        "check what sends them"
    )


def read_or_refuse(path, content, **options):
    """Whatever lies in a file, it is read as finite samples or refused in one line."""
    path.write_bytes(content)
    refusal = None
    try:
        samples = whole(open_recording(path, **options))
    except BoltmodError as error:
        refusal = str(error)
    if refusal is None:
        assert np.isfinite(samples).all()
    else:
        assert len(refusal.splitlines()) == 1


@FUZZ
@given(content=st.binary(max_size=300), kind=st.sampled_from(list(SampleFormat)))
def test_any_bytes_as_raw_samples(tmp_path, content, kind):
    read_or_refuse(tmp_path / "x.raw", content, sample_format=kind.label)


@FUZZ
@given(
    content=st.binary(max_size=80), n_channels=st.integers(0, 3), code=st.sampled_from([1, 3, 9]),
    n_bits=st.sampled_from([0, 8, 16, 24, 32, 64]), size=st.integers(0, 2**32 - 1),
    cut=st.integers(0, 130), garbage=st.binary(max_size=20),
)  # fmt: skip
def test_any_wav(tmp_path, content, n_channels, code, n_bits, size, cut, garbage):
    whole_file = wav_bytes(n_channels, n_bits, content, code, size, before=garbage)
    read_or_refuse(tmp_path / "x.wav", whole_file[:cut] if cut < 60 else whole_file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@FUZZ
@given(
    changes=st.dictionaries(
        st.sampled_from([
            "core:datatype", "core:sample_rate", "core:num_channels", "core:dataset",
            "core:sha512", "core:trailing_bytes", "core:version", "core:offset",
        ]),
        json_values | st.sampled_from(["cf32_le", "ri8", "x.sigmf-data"]), max_size=3,
    ),
    captures=json_values | st.lists(st.fixed_dictionaries({"core:sample_start": st.integers()}),
    max_size=2), content=st.binary(max_size=64),
)  # fmt: skip
def test_any_sigmf(tmp_path, changes, captures, content):
    facts = {"core:datatype": "cf32_le", "core:version": "1.2.0"} | changes
    meta = json.dumps({"global": facts, "captures": captures, "annotations": []}).encode()
    (tmp_path / "x.sigmf-data").write_bytes(content)
    read_or_refuse(tmp_path / "x.sigmf-meta", meta)
    tar_of(tmp_path / "y.tar", {"x.sigmf-meta": meta, "x.sigmf-data": content})
    read_or_refuse(tmp_path / "x.sigmf", (tmp_path / "y.tar").read_bytes())


@FUZZ
@given(content=st.binary(max_size=200))
def test_any_bytes_as_sigmf(tmp_path, content):
    read_or_refuse(tmp_path / "x.sigmf-meta", content)
    for name in ("x.sigmf", "x.sigmf.gz", "x.sigmf.zip", "x.sdriq", "x.npy", "x.s16"):
        read_or_refuse(tmp_path / name, content)


@FUZZ
@given(text=st.text(max_size=12) | st.from_regex(r"[+-]?\d{1,20}(\.\d+)?[kMG]?", fullmatch=True))
def test_any_words_as_a_rate(text):
    for parse in (parse_rate, parse_offset):
        try:
            assert np.isfinite(parse(text))
        except ConfigError:
            continue
