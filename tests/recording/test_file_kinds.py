"""Files as other programs write them: one signal reads the same in all of them."""

import gzip
import io
import json
import struct
import tarfile
import zipfile
import zlib
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import sigmf
from typer.testing import CliRunner

import hand_made_networks as hand_made
from boltmod.cli.app import app
from boltmod.data.sigmf_frames import SigMFFrames
from boltmod.errors import ConfigError, DataFormatError
from boltmod.recording import iq_or_real
from boltmod.recording.file_names import NamedFacts, facts_of
from boltmod.recording.live import wav_pipe
from boltmod.recording.opening import FileFacts, open_as, open_recording
from boltmod.recording.raw import SampleFormat
from boltmod.recording.sigmf import write_annotations
from boltmod.runtime.cut.listener import find_signals
from hand_made_signals import BPSK, QPSK, encode, linear, noise, shifted

RATE_HZ = 250e3


@pytest.fixture(scope="module")
def wave():
    """QPSK of 25 kBd, 37.5 kHz above the middle of 250 kHz."""
    rng = np.random.default_rng(16)
    made = shifted(linear(rng, 40_000, 0.1, QPSK), 0.15) + noise(rng, 40_000, 0.05)
    return (0.2 * made).astype(np.complex64)


def whole(recording):
    return np.concatenate([each.samples for each in recording.stretches(5000)])


def assert_is(recording, wave, step=1e-6):
    np.testing.assert_allclose(whole(recording), wave[: recording.n_samples], atol=step)
    assert recording.n_samples == len(wave)
    assert recording.rate_hz == RATE_HZ


CI16_STEP = 2.2e-5


def refusal(call, path, kind=DataFormatError):
    with pytest.raises(kind) as error:
        call()
    return str(error.value).replace(str(path), "FILE")


# Names and endings


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("remote-868.3M-1000k.cu8", NamedFacts(1e6, 868.3e6)),
        ("x 868.3M 1MSPS.cu8", NamedFacts(1e6, 868.3e6)),
        ("G003_868.3m_1000K.CU8", NamedFacts(1e6, 868.3e6)),
        ("HackRF-20240102_030405-433_92MHz-1MSps.complex16u", NamedFacts(1e6, 433.92e6)),
        ("2019-04-05-21-34-09_HACKRF_433920kHz_2MSps.iq",
         NamedFacts(2e6, 433.92e6, SampleFormat.CI8)),
        ("a_RTLSDR_100MHz_2400ksps.iq", NamedFacts(2.4e6, 100e6, SampleFormat.CU8)),
        ("iq_48000_123.raw", NamedFacts(48e3, None, SampleFormat.CI16)),
        ("2023-08-05_08-02-00_250000SPS_137100000Hz.s16",
         NamedFacts(250e3, 137.1e6, is_real=False)),
        ("20211008T150350Z_702000_jnb_iq.wav",
         NamedFacts(None, 702e3, started=datetime(2021, 10, 8, 15, 3, 50, tzinfo=UTC))),
        ("gqrx_20190520_121233_433920000_1800000_fc (1).raw",
         NamedFacts(1.8e6, 433.92e6, SampleFormat.CF32)),
        ("GQRX_20190520_121233_433920000_1800000_fc.cs8",
         NamedFacts(1.8e6, 433.92e6, started=datetime(2019, 5, 20, 12, 12, 33, tzinfo=UTC))),
        ("HackRF-20240102_030405-868_3MHz-2_4MSps-1_75MHz.complex16u",
         NamedFacts(2.4e6, 868.3e6)),
        ("2014-12-30-12-00-00_rtl-sdr_99000000Hz_1000000Sps.iq",
         NamedFacts(1e6, 99e6, SampleFormat.CU8)),
        ("2023-08-05_08-02-12_250000SPS_137100000Hz.s16",
         NamedFacts(250e3, 137.1e6, is_real=False)),
        ("x_2.4MSPS_137.1MHz.u8", NamedFacts(2.4e6, 137.1e6, is_real=False)),
        ("night-12_250000sps.cf32", NamedFacts(250e3)),
        ("g001_433.92M_250k.am.s16", NamedFacts(250e3, 433.92e6, is_real=True)),
        ("fc=433.92M_fs=2M.cs8", NamedFacts(2e6, 433.92e6)),
        ("capture_fc433920000_fs1000000.cf32", NamedFacts(1e6, 433.92e6)),
        ("iq_cf7100000_sr48000_dt20200101.wav", NamedFacts(48e3, 7.1e6)),
        ("offsr2_perfs3_crate7x.cf32", NamedFacts()),
        ("air_fc32.bin", NamedFacts()),
        ("air-cf32-250k.bin", NamedFacts(250e3)),
        ("antenna_2m_5g.cf32", NamedFacts()),
        ("room101-3khzwide.cf32", NamedFacts()),
        ("qpsk_7500Hz_off_250ksps.cs8", NamedFacts(250e3)),
        ("tone_1kHz.wav", NamedFacts()),
        ("dcf77_77.5kHz.wav", NamedFacts(None, 77.5e3)),
    ],
)  # fmt: skip
def test_names_of_other_programs(tmp_path, name, facts):
    assert facts_of(tmp_path / name) == facts


@pytest.mark.parametrize(
    ("suffix", "sample_format"),
    [
        (".C16", SampleFormat.CI16), (".C8", SampleFormat.CI8), (".c32", SampleFormat.CI32),
        (".sc32", SampleFormat.CI32), (".uc8", SampleFormat.CU8), (".sc8q7", SampleFormat.CI8),
        (".CS16", SampleFormat.CI16), (".cs24", SampleFormat.CI24), (".cu32", SampleFormat.CU32),
    ],
)  # fmt: skip
def test_endings_of_other_programs(tmp_path, wave, suffix, sample_format):
    path = tmp_path / f"air{suffix}"
    path.write_bytes(encode(wave, sample_format))
    assert_is(open_recording(path, rate_hz=RATE_HZ), wave, 0.01)


@pytest.mark.parametrize(
    ("word", "label"),
    [("cs8", "ci8"), ("sc8", "ci8"), ("cs16", "ci16"), ("sc16", "ci16"), ("fc32", "cf32"),
     ("cfile", "cf32"), ("uc8", "cu8"), ("ci16_le", "ci16"), ("CI16_LE", "ci16"),
     (".CS16", "ci16"), ("SC16_Q11", "ci16"), ("complex64", "cf32"), ("CU32", "cu32"),
     ("rs16", "ri16"), ("s16le", "ri16")],
)  # fmt: skip
def test_words_of_other_programs_for_formats(word, label):
    assert SampleFormat.named(word).label == label


def test_portapack_says_rate_and_frequency_beside(tmp_path, wave):
    path = tmp_path / "BBD_0001.C16"
    path.write_bytes(encode(wave, SampleFormat.CI16))
    text = path.with_suffix(".TXT")
    text.write_text("sample_rate=250000\r\ncenter_frequency=433920000\r\n")
    recording = open_recording(path)
    assert_is(recording, wave, CI16_STEP)
    assert recording.centre_hz == 433.92e6
    text.write_text("Sample_Rate = 250000.0\ncenter_frequency = 433920000\nlatitude=1.5\n")
    assert (open_recording(path).rate_hz, open_recording(path).centre_hz) == (250e3, 433.92e6)
    path.rename(path.with_suffix(".cs16"))
    assert open_recording(path.with_suffix(".cs16")).rate_hz == 250e3
    text.write_bytes(b"\xff\xfesample_rate=\nlots\n=")
    assert open_recording(path.with_suffix(".cs16")).rate_hz is None


@pytest.mark.parametrize("name", ["x.sc16q11", "x.SC16_Q11", "x.bin"])
def test_bladerf_has_12_bits(tmp_path, wave, name):
    path = tmp_path / name
    path.write_bytes(np.round(wave.view(np.float32) * 2048).astype("<i2").tobytes())
    told = "sc16q11" if name == "x.bin" else None
    assert_is(open_recording(path, told, RATE_HZ), wave, 1 / 2048)


# One ending, two meanings

KINDS = {".s16": SampleFormat.CI16, ".s8": SampleFormat.CI8, ".u8": SampleFormat.CU8,
         ".f32": SampleFormat.CF32}  # fmt: skip


@pytest.mark.parametrize("suffix", KINDS)
def test_satdump_means_i_and_q(tmp_path, wave, suffix):
    path = tmp_path / f"2023-08-05_08-02-00_250000SPS_137100000Hz{suffix}"
    path.write_bytes(encode(wave, KINDS[suffix]))
    recording = open_recording(path)
    assert_is(recording, wave, 0.01)
    assert recording.centre_hz == 137.1e6
    assert recording.notes == (
        f"{path.name} is read as I and Q in turn, as its name says: --real if not",
    )


@pytest.mark.parametrize("suffix", KINDS)
def test_samples_tell_that_they_are_i_and_q(tmp_path, wave, suffix):
    path = tmp_path / f"air{suffix}"
    path.write_bytes(encode(wave, KINDS[suffix]))
    assert_is(open_recording(path, rate_hz=RATE_HZ), wave, 0.01)
    (signal,) = find_signals(open_recording(path, rate_hz=RATE_HZ))
    assert signal.carrier_hz == pytest.approx(37.5e3, abs=20)
    assert signal.symbol_rate_hz == pytest.approx(25e3, rel=1e-3)


@pytest.mark.parametrize("centre", [-0.45, -0.3, -0.1, 0.0, 0.02, 0.24, 0.4])
@pytest.mark.parametrize("points", [BPSK, QPSK])
@pytest.mark.parametrize("symbol_rate", [0.02, 0.2])
def test_what_complex_samples_say(centre, points, symbol_rate):
    rng = np.random.default_rng(1)
    made = shifted(linear(rng, 65_536, symbol_rate, points), centre) + noise(rng, 65_536, 0.1)
    components = np.stack([made.real, made.imag], 1).ravel()
    assert iq_or_real.is_real(components) is False


@pytest.mark.parametrize("centre", [0.05, 0.12, 0.3, 0.4, 0.46])
@pytest.mark.parametrize("symbol_rate", [0.01, 0.05])
def test_what_real_samples_say(centre, symbol_rate):
    rng = np.random.default_rng(2)
    made = shifted(linear(rng, 65_536, symbol_rate, QPSK), centre).real
    assert iq_or_real.is_real(made + 0.1 * rng.standard_normal(65_536)) is True


def keyed(rng, n, spacing):
    """Bits as long as so many samples."""
    return np.repeat(rng.integers(0, 2, n // spacing + 1), spacing)[:n]


def filtered(rng, n, edge):
    from scipy import signal

    return signal.lfilter(*signal.butter(4, edge, fs=1), rng.standard_normal(n))


COMPLEX = {
    "OOK": lambda rng, n: keyed(rng, n, 100),
    "OOK in bursts": lambda rng, n: keyed(rng, n, 100) * (np.arange(n) % 18_000 > 12_000),
    "FSK": lambda rng, n: np.exp(2j * np.pi * np.cumsum(0.04 * keyed(rng, n, 50) - 0.02)),
    "AM": lambda rng, n: 1 + 2 * filtered(rng, n, 0.02),
    "FM": lambda rng, n: np.exp(2j * np.pi * np.cumsum(0.3 * filtered(rng, n, 0.01))),
    "a carrier": lambda rng, n: np.ones(n),
}


@pytest.mark.parametrize("centre", [-0.4, -0.1, 0.05, 0.15, 0.25, 0.33])
@pytest.mark.parametrize("kind", COMPLEX)
def test_what_other_signals_say(kind, centre):
    rng = np.random.default_rng(4)
    made = shifted(COMPLEX[kind](rng, 131_072), centre) + noise(rng, 131_072, 0.1)
    assert iq_or_real.is_real(np.stack([made.real, made.imag], 1).ravel()) is False
    # A quarter of its rate is where a real signal cannot be told from I and Q at the band's edge.
    real = shifted(COMPLEX[kind](rng, 131_072), abs(centre)).real
    real += 0.05 * rng.standard_normal(131_072)
    assert iq_or_real.is_real(real) is (None if centre == 0.25 else True)


@pytest.mark.parametrize(
    "made",
    [
        lambda rng, n: filtered(rng, n, 0.07) * (1.2 + np.sin(np.arange(n) / 3000)),
        lambda rng, n: filtered(rng, n, 0.01),
        lambda rng, n: filtered(rng, n, 0.2),
        lambda rng, n: 1.0 * keyed(rng, n, 100),
        lambda rng, n: sum(np.sin(np.arange(n) * f) for f in (0.03, 0.05, 0.08, 0.2)),
        lambda rng, n: np.sin(np.cumsum(0.15 + 0.13 * keyed(rng, n, 40))),
    ],
    ids=["voice", "slow", "wide", "envelope", "chord", "two tones in turn"],
)
def test_what_audio_says(made):
    rng = np.random.default_rng(5)
    samples = made(rng, 131_072)
    samples += 0.02 * samples.std() * rng.standard_normal(131_072)
    assert iq_or_real.is_real(samples) is True


@pytest.mark.parametrize("place", [0, 600_000, 900_000])
def test_a_burst_anywhere_in_a_file_tells(tmp_path, wave, place):
    rng = np.random.default_rng(6)
    samples = noise(rng, 1_000_000, 0.001).astype(np.complex64)
    samples[place : place + 40_000] += wave
    path = tmp_path / "x.f32"
    path.write_bytes(samples.tobytes())
    assert open_recording(path).sample_format is SampleFormat.CF32


def test_a_format_of_two_meanings_is_said(tmp_path, wave):
    path = tmp_path / "x.bin"
    path.write_bytes(encode(wave, SampleFormat.CI16))
    recording = open_recording(path, "s16", RATE_HZ)
    assert_is(recording, wave, CI16_STEP)
    assert recording.notes == (
        "x.bin is read as I and Q in turn, as its samples say: --real if not",
    )
    assert open_recording(path, "ri16").notes == ()


def test_what_says_nothing(tmp_path):
    rng = np.random.default_rng(3)
    assert iq_or_real.is_real(rng.standard_normal(65_536)) is None
    assert iq_or_real.is_real(np.zeros(65_536)) is None
    path = tmp_path / "noise.s16"
    path.write_bytes(rng.integers(-999, 999, 65_536).astype("<i2").tobytes())
    recording = open_recording(path)
    assert recording.sample_format is SampleFormat.RI16
    assert recording.notes == (
        "noise.s16 is read as real samples, for nothing says otherwise: --iq if not",
    )


def test_who_knows_better_overrules(tmp_path, wave):
    path = tmp_path / "1_250000SPS_137100000Hz.s16"
    path.write_bytes(encode(wave, SampleFormat.CI16))
    told = open_as(path, FileFacts(is_real=True))
    assert (told.sample_format, told.notes) == (SampleFormat.RI16, ())
    assert open_as(path, FileFacts("ci16", is_real=True)).sample_format is SampleFormat.RI16
    plain = path.with_name("x.s16")
    plain.write_bytes(bytes(80))
    assert open_as(plain, FileFacts(is_real=False)).sample_format is SampleFormat.CI16
    assert open_as(plain, FileFacts("s16", is_real=False)).sample_format is SampleFormat.CI16


def test_what_says_itself_whether_it_is_real(tmp_path):
    path = tmp_path / "x.wav"
    assert refusal(lambda: open_as(path, FileFacts(is_real=True)), path, ConfigError) == (
        "--real and --iq must be left out for FILE: it says itself which it is"
    )


def test_a_header_is_no_sample(tmp_path, wave):
    path = tmp_path / "x.cs16"
    path.write_bytes(wav(wave))
    assert refusal(lambda: open_recording(path), path) == (
        "FILE must hold nothing but samples, and begins like a WAV file: "
        "name it x.wav and leave --format out"
    )
    assert "begins like a recording of SDRangel's" in refusal(
        lambda: path.write_bytes(sdriq(wave)) and open_recording(path, "ci16"), path
    )
    assert "begins like an array of NumPy's" in refusal(
        lambda: (
            np.save(path.with_suffix(".npy"), wave)
            or open_recording(path.with_suffix(".npy"), "cf32")
        ),
        path.with_suffix(".npy"),
    )


@pytest.mark.parametrize(
    ("begin", "kind"),
    [(b"ZIQ_\x01\x08", "a compressed baseband of SatDump's"), (b"fLaC", "a FLAC file"),
     (b"MATLAB 5.0 MAT-file, Platform", "a file of MATLAB's"), (b"RTL0\0\0\0\5\0\0\0\x1d",
      "what rtl_tcp sends, 12 bytes before the samples"), (b'{"global": {', "JSON"),
     (b"\x89HDF\r\n\x1a\n", "an HDF5 file")],
)  # fmt: skip
def test_what_has_to_be_converted(tmp_path, begin, kind):
    for name in ("x.cs8", "x.ziq"):
        path = tmp_path / name
        path.write_bytes(begin + bytes(600))
        assert refusal(lambda path=path: open_recording(path), path) == (
            f"FILE must hold nothing but samples, and begins like {kind}: convert it"
        )


# Containers


def sdriq(wave, n_bits=16, centre_hz=433_920_000):
    header = struct.pack("<IQQII", 250_000, centre_hz, 1_700_000_000_000, n_bits, 0)
    stored = wave.view(np.float32) * 2.0 ** (n_bits - 1)
    stored = np.round(stored).astype("<i2" if n_bits == 16 else "<i4")
    return header + struct.pack("<I", zlib.crc32(header)) + stored.tobytes()


@pytest.mark.parametrize("n_bits", [16, 24])
def test_sdrangel(tmp_path, wave, n_bits):
    path = tmp_path / "x.sdriq"
    path.write_bytes(sdriq(wave, n_bits))
    recording = open_recording(path)
    assert_is(recording, wave, CI16_STEP)
    assert recording.centre_hz == 433.92e6


def test_a_damaged_header_of_sdrangel(tmp_path, wave):
    path = tmp_path / "x.sdriq"
    content = bytearray(sdriq(wave))
    content[2] ^= 1
    path.write_bytes(content)
    assert refusal(lambda: open_recording(path), path) == (
        "FILE must begin with a header of SDRangel's, whose checksum is right, and does not: "
        "record again, or give the format of its samples with --format"
    )
    path.write_bytes(sdriq(wave, 16).replace(b"\x10\0\0\0\0\0\0\0", b"\x20\0\0\0\0\0\0\0"))
    assert "whose checksum is right" in refusal(lambda: open_recording(path), path)


@pytest.mark.parametrize(
    "made",
    [
        lambda wave: wave,
        lambda wave: wave.astype(np.complex128),
        lambda wave: wave.astype(">c8"),
        lambda wave: wave.view(np.float32).reshape(-1, 2),
        lambda wave: integers(wave),
        lambda wave: integers(wave).T,
        lambda wave: np.ascontiguousarray(integers(wave).T),
        lambda wave: np.ascontiguousarray(wave.view(np.float32).reshape(-1, 2).T),
        lambda wave: np.asfortranarray(wave.view(np.float32).reshape(-1, 2)),
        lambda wave: wave.view(np.float32).reshape(-1, 2).astype(">f8").T.copy(),
        lambda wave: integers(wave).view([("re", "<i2"), ("im", "<i2")])[:, 0],
        lambda wave: wave[np.newaxis],
        lambda wave: wave[:, np.newaxis],
    ],
)
def test_arrays_of_numpy(tmp_path, wave, made):
    path = tmp_path / "x_250ksps.npy"
    np.save(path, made(wave))
    recording = open_recording(path)
    assert_is(recording, wave, CI16_STEP)
    part = recording.part(9_000, 22_000)
    np.testing.assert_array_equal(whole(part), whole(recording)[9_000:31_000])
    write_annotations(tmp_path / "out.sigmf-meta", recording, [], "by me")


def integers(wave):
    return np.round(wave.view(np.float32).reshape(-1, 2) * 32768).astype(np.int16)


@pytest.mark.parametrize("dtype", ["<f2", ">f2"])
def test_arrays_of_small_floats(tmp_path, wave, dtype):
    path = tmp_path / "x_250ksps.npy"
    np.save(path, wave.view(np.float32).reshape(-1, 2).astype(dtype))
    assert_is(open_recording(path), wave, 1e-3)
    np.save(path, wave.real.astype(dtype))
    assert open_recording(path).sample_format is SampleFormat.RF32


def test_real_arrays_of_numpy(tmp_path, wave):
    path = tmp_path / "x.npy"
    np.save(path, wave.real)
    assert open_recording(path).sample_format is SampleFormat.RF32


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 9), np.float32), "FILE must hold an array of shape (n,), or (n, 2) or (2, n) "
         "of I and Q, not (3, 9): save it so"),
        (np.zeros((2, 9), complex), "FILE must hold an array of shape (n,), or (n, 2) or (2, n) of "
         "I and Q, not (2, 9): save it so"),
        (np.zeros(9, bool), "FILE must hold floats of 16, 32 or 64 bits or integers of 8, 16, 32 "
         "or 64, not bool: save it so"),
        (np.array([{}]), "FILE must be an array that NumPy can read, which it is not (Array can't "
         "be memory-mapped: Python objects in dtype.): save it again"),
    ],
)  # fmt: skip
def test_arrays_that_hold_no_samples(tmp_path, array, message):
    path = tmp_path / "x.npy"
    np.save(path, array, allow_pickle=True)
    assert refusal(lambda: open_recording(path), path) == message


# WAV


def chunk(name, content, size=None):
    size = len(content) if size is None else size
    return name + struct.pack("<I", size) + content + bytes(len(content) % 2)


def wav_of(*chunks, n_channels=2, n_bits=16, rate_hz=250_000, magic=b"RIFF"):
    fmt = struct.pack(
        "<HHIIHH", 1, n_channels, rate_hz, rate_hz * n_channels * 2, n_channels * 2, n_bits
    )
    return magic + bytes(4) + b"WAVE" + chunk(b"fmt ", fmt) + b"".join(chunks)


def wav(wave, size=None, **options):
    return wav_of(chunk(b"data", encode(wave, SampleFormat.CI16), size), **options)


def test_kiwisdr_s_many_chunks(tmp_path, wave):
    path = tmp_path / "20211008T150350Z_702000_jnb_iq.wav"
    blocks = [encode(part, SampleFormat.CI16) for part in wave[:20_480].reshape(40, 512)]
    gnss = chunk(b"kiwi", bytes(10))
    path.write_bytes(wav_of(*(gnss + chunk(b"data", each) for each in blocks)))
    recording = open_recording(path)
    assert_is(recording, wave[:20_480], CI16_STEP)
    assert recording.centre_hz == 702e3


def test_what_follows_the_samples_is_none(tmp_path, wave):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(wave) + chunk(b"LIST", b"INFOsoftware"))
    assert_is(open_recording(path), wave, CI16_STEP)
    assert open_recording(path).notes == ()


def test_a_length_that_has_wrapped(tmp_path, wave):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(wave, size=16_000))
    recording = open_recording(path)
    assert_is(recording, wave, CI16_STEP)
    assert recording.notes == (
        "x.wav says that it holds 16,000 bytes of samples, and holds 160,000: all are read",
    )


def test_more_than_4_gib(tmp_path):
    path = tmp_path / "x.wav"
    n_bytes = 2**32 + 160_000
    with path.open("wb") as file:
        file.write(wav_of(b"data" + struct.pack("<I", n_bytes % 2**32)))
        file.truncate(file.tell() + n_bytes)
    assert open_recording(path).n_samples == n_bytes // 4


@pytest.mark.parametrize("magic", [b"RF64", b"BW64"])
def test_lengths_of_64_bits(tmp_path, wave, magic):
    path = tmp_path / "x.wav"
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 160_000, 0, 0))
    content = ds64 + chunk(b"data", encode(wave, SampleFormat.CI16), 0xFFFFFFFF)
    path.write_bytes(wav_of(content + chunk(b"LIST", bytes(20)), magic=magic))
    assert_is(open_recording(path), wave, CI16_STEP)


def test_the_centre_in_an_auxi_chunk(tmp_path, wave):
    path = tmp_path / "x.wav"
    auxi = bytes(32) + struct.pack("<I", 7_050_000) + bytes(128)
    path.write_bytes(wav_of(chunk(b"auxi", auxi), chunk(b"data", encode(wave, KINDS[".s16"]))))
    recording = open_recording(path)
    assert_is(recording, wave, CI16_STEP)
    assert recording.centre_hz == 7.05e6
    assert open_as(path, FileFacts(centre_hz=1e6)).centre_hz == 1e6


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le"])
def test_the_centre_in_sdr_console_s_xml(tmp_path, wave, encoding):
    path = tmp_path / "x.wav"
    text = '<?xml version="1.0"?><SDR-XML-Root><Definition UTC="2024" RadioCenterFreq="145000000"/>'
    auxi = chunk(b"auxi", text.encode(encoding))
    path.write_bytes(wav_of(auxi, chunk(b"data", encode(wave, KINDS[".s16"]))))
    recording = open_recording(path)
    assert_is(recording, wave, CI16_STEP)
    assert recording.centre_hz == 145e6


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_chunks_of_odd_lengths(tmp_path, wave, padding):
    path = tmp_path / "x.wav"
    odd = b"LIST" + struct.pack("<I", 5) + b"INFOx" + padding
    data = chunk(b"data", encode(wave, KINDS[".s16"]))
    path.write_bytes(wav_of(odd, data, odd, chunk(b"id3 ", b"xy")))
    assert_is(open_recording(path), wave, CI16_STEP)
    assert open_recording(path).notes == ()


def test_what_samples_are_may_follow_them(tmp_path, wave):
    path = tmp_path / "x.wav"
    whole_file = wav(wave)
    fmt, data = whole_file[12:36], whole_file[36:]
    path.write_bytes(whole_file[:12] + data + fmt)
    assert_is(open_recording(path), wave, CI16_STEP)


def test_bits_in_larger_words(tmp_path, wave):
    path = tmp_path / "x.wav"
    content = bytearray(wav(wave))
    content[34] = 12  # bits, in words of 16
    path.write_bytes(content)
    assert_is(open_recording(path), wave, CI16_STEP)
    stored = encode(wave, SampleFormat.CI32)
    content = bytearray(wav_of(chunk(b"data", stored)))
    content[32], content[34] = 8, 24  # bytes of an instant, bits
    path.write_bytes(content)
    assert_is(open_recording(path), wave)


@pytest.mark.parametrize("suffix", [".WAV", ".wave", ".bw64"])
def test_endings_of_wav(tmp_path, wave, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(wav(wave))
    assert_is(open_recording(path), wave, CI16_STEP)


def piped(content, at_once):
    """The samples of a WAV file that comes in pieces."""
    file = io.BytesIO(content)
    begun = wav_pipe.beginning_of(file)
    left = file.read()
    pieces = [left[i : i + at_once] for i in range(0, len(left), at_once)]

    class Pipe:
        name = about = state = "a pipe"

        def read(self, timeout_s):
            return pieces.pop(0) if pieces else b""

    chunks = wav_pipe.WavChunks(Pipe(), begun)
    parts = []
    while (part := chunks.read(0)) != b"":
        parts.append(part or b"")
    return begun, b"".join(parts)


@pytest.mark.parametrize("at_once", [7, 4096, 10**7])
def test_chunks_of_a_wav_file_in_a_pipe(wave, at_once):
    stored = encode(wave, KINDS[".s16"])
    gnss = chunk(b"kiwi", bytes(10))
    blocks = [gnss + chunk(b"data", stored[i : i + 2048]) for i in range(0, len(stored), 2048)]
    auxi = chunk(b"auxi", bytes(32) + struct.pack("<I", 7_050_000) + bytes(3))
    begun, samples = piped(wav_of(auxi, *blocks, chunk(b"LIST", b"odd")), at_once)
    assert samples == stored
    assert (begun.header.rate_hz, begun.centre_hz) == (250e3, 7.05e6)


@pytest.mark.parametrize("at_once", [7, 10**7])
def test_two_equal_channels_in_a_pipe_are_audio(wave, at_once):
    both = np.repeat(wave.real, 2).astype(np.float32).view(np.complex64)
    begun, samples = piped(wav(both), at_once)
    assert begun.sample_format is SampleFormat.RI16
    assert samples == encode(wave.real, SampleFormat.RI16)
    assert piped(wav(wave), at_once)[0].sample_format is SampleFormat.CI16


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 1600])
def test_lengths_that_a_pipe_does_not_know(wave, size):
    stored = encode(wave, KINDS[".s16"])
    assert piped(wav(wave, size=size), 4096)[1] == stored
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, len(stored), 0, 0))
    content = wav_of(ds64, chunk(b"data", stored, 0xFFFFFFFF), chunk(b"LIST", b"x"), magic=b"RF64")
    assert piped(content, 4096)[1] == stored


def test_two_of_four_channels(tmp_path, wave):
    path = tmp_path / "x.wav"
    other = noise(np.random.default_rng(0), len(wave), 0.1).astype(np.complex64)
    stored = np.stack([other.real, wave.real, wave.imag, other.imag], 1) * 32768
    content = chunk(b"data", np.round(stored).astype("<i2").tobytes())
    path.write_bytes(wav_of(content, n_channels=4))
    assert_is(open_as(path, FileFacts(channels=(2, 3))), wave, CI16_STEP)
    assert open_as(path, FileFacts(channels=(1,))).sample_format is SampleFormat.RI16
    assert refusal(lambda: open_recording(path), path) == (
        "FILE must have one real channel, or two, I left and Q right, not 4: "
        "choose with --channels 1,2"
    )
    assert refusal(lambda: open_as(path, FileFacts(channels=(3, 5))), path, ConfigError) == (
        "channels must be one or two of the 4 of FILE, from 1, not 3,5: choose others"
    )


def test_i_and_q_the_other_way_round(tmp_path, wave):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(wave))
    swapped = whole(open_as(path, FileFacts(channels=(2, 1))))
    np.testing.assert_allclose(swapped, 1j * wave.conj(), atol=CI16_STEP)


def test_two_equal_channels_are_audio(tmp_path, wave):
    path = tmp_path / "x.wav"
    path.write_bytes(wav(np.repeat(wave.real, 2).astype(np.float32).view(np.complex64)))
    recording = open_recording(path)
    samples = whole(recording)
    assert recording.sample_format is SampleFormat.RI16
    assert recording.notes == (
        "both channels of x.wav are the same, as of audio: one is read, as real samples",
    )
    path.write_bytes(wav_of(chunk(b"data", encode(wave.real, SampleFormat.RI16)), n_channels=1))
    np.testing.assert_array_equal(samples, whole(open_recording(path)))


# SigMF


def sigmf_files(folder, wave, facts=(), captures=None, annotations=(), name="air"):
    """Both files, as somebody's script writes them."""
    data = folder / f"{name}.sigmf-data"
    data.write_bytes(encode(wave, SampleFormat.CI16))
    document = {
        "global": {"core:datatype": "ci16_le", "core:sample_rate": 250_000,
                   "core:version": "1.0.0"} | dict(facts),
        "captures": captures or [{"core:sample_start": 0, "core:frequency": 433_920_000}],
        "annotations": list(annotations),
    }  # fmt: skip
    meta = data.with_suffix(".sigmf-meta")
    meta.write_text(json.dumps(document))
    return meta


def rewrite(meta, change):
    document = json.loads(meta.read_text())
    change(document)
    meta.write_text(json.dumps(document))


@pytest.fixture
def continuation(tmp_path, wave):
    """The second of two files: a quarter of noise, then the signal."""
    rng = np.random.default_rng(0)
    samples = np.concatenate([noise(rng, 20_000, 0.01), wave]).astype(np.complex64)
    signal = {"core:sample_start": 1_020_000, "core:sample_count": 40_000}
    captures = [{"core:sample_start": 1_000_000, "core:frequency": 433_920_000}]
    return sigmf_files(tmp_path, samples, {"core:offset": 1_000_000}, captures, [signal])


def test_samples_of_a_continuation_are_counted_on(continuation):
    recording = open_recording(continuation)
    assert (recording.first_sample, recording.n_samples) == (1_000_000, 60_000)
    (signal,) = find_signals(recording)
    assert signal.spans[0][0] == pytest.approx(1_020_000, abs=600)
    assert signal.spans[-1][1] == 1_060_000
    rewrite(continuation, lambda document: document["annotations"][0].update(
        {"core:sample_count": 40_001}))  # fmt: skip
    assert "it ends before the last annotation does" in refusal(
        lambda: open_recording(continuation), continuation
    )


def test_labels_of_a_continuation_are_counted_on(tmp_path, continuation):
    model = tmp_path / "net.onnx"
    model.write_bytes(hand_made.convolutional().SerializeToString())
    path = tmp_path / "found.sigmf-meta"
    for channel in ("auto", "none"):
        options = ["-m", str(model), "--channel", channel]
        arguments = ["classify", str(continuation), *options]
        told_to = [*arguments, "-o", str(path), "--force"]
        done = CliRunner().invoke(app, told_to, catch_exceptions=False)
        assert done.exit_code == 0
        told = json.loads(path.read_text())
        assert told["global"]["core:offset"] == 1_000_000
        starts = [each["core:sample_start"] for each in told["annotations"]]
        assert min(starts) >= 1_000_000
        windows = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["windows"]
        assert windows[0]["sample_start"] in starts
        assert windows[0]["time_s"] == windows[0]["sample_start"] / 250e3


def test_frames_of_a_continuation_are_those_annotated(continuation, wave):
    rewrite(continuation, lambda document: document["annotations"][0].update(
        {"core:label": "QPSK", "boltmod:snr_label_db": 20}))  # fmt: skip
    frames = SigMFFrames(continuation)
    assert len(frames) == 40_000 // 1024
    read = frames.read([1])[0]
    np.testing.assert_allclose(read[0] + 1j * read[1], wave[1024:2048], atol=CI16_STEP)
    rewrite(continuation, lambda document: document["annotations"][0].update(
        {"core:sample_start": 20_000}))  # fmt: skip
    assert refusal(lambda: SigMFFrames(continuation), continuation) == (
        "annotations of FILE must not begin before sample 1000000, its core:offset, but one begins "
        "at 20000: correct it"
    )


def without(part, key):
    return lambda document: document[part].pop(key)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda document: document["global"].update({"core:sample_rate": "250000"}),
         "its sample rate is a text"),
        (without("global", "core:version"), "it does not say which version"),
        (lambda document: document["global"].update({"core:version": 1}),
         "it does not say which version"),
        (lambda document: document.pop("annotations"), "it has no annotations"),
        (lambda document: document["global"].update({"core:author": 7}),
         "its core:author breaks a rule"),
        (lambda document: document["captures"][0].update({"core:datetime": 7}),
         "its core:datetime breaks a rule"),
        (lambda document: document["annotations"].append({"core:label": "x"}),
         "its annotations break a rule and are not read"),
        (lambda document: document["global"].update({"core:datatype": "i16_le"}),
         "i16_le for ci16_le or ri16_le"),
        (lambda document: document["global"].update({"core:datatype": "CS16"}), "CS16 for ci16_le"),
        (lambda document: document["captures"][0].pop("core:sample_start"),
         "its first capture does not say where it begins"),
        (lambda document: document.update({"captures": None}), "it has no captures"),
        (lambda document: document["global"].update({"core:num_channels": "1"}),
         "its core:num_channels is a text"),
        (lambda document: document["global"].update({"core:sha512": ""}), "its checksum is empty"),
        (lambda document: document["global"].update({"core:author": None}),
         "its core:author is null"),
        (lambda document: document["captures"][0].update({"core:frequency": "433.92e6"}),
         "its core:frequency is a text"),
        (lambda document: document.update({"captures": document["captures"][0]}),
         "its captures are no list"),
        (lambda document: document["captures"].insert(0, {"core:sample_start": 500.0}),
         "its captures are not in order"),
    ],
)  # fmt: skip
def test_loose_metadata_are_read_and_it_is_said(tmp_path, wave, change, said):
    meta = sigmf_files(tmp_path, wave)
    rewrite(meta, change)
    recording = open_recording(meta)
    assert_is(recording, wave, CI16_STEP)
    assert recording.notes == (
        f"air.sigmf-meta is not valid SigMF ({said}): it is read all the same",
    )
    write_annotations(tmp_path / "out.sigmf-meta", recording, [], "by me")


def test_a_byte_order_mark_and_bytes_with_an_order(tmp_path, wave):
    meta = sigmf_files(tmp_path, wave, {"core:datatype": "ci8_le"})
    meta.with_suffix(".sigmf-data").write_bytes(encode(wave, SampleFormat.CI8))
    meta.write_bytes(b"\xef\xbb\xbf" + meta.read_bytes())
    recording = open_recording(meta)
    assert_is(recording, wave, 0.01)
    assert recording.notes == (
        "air.sigmf-meta is not valid SigMF (it begins with a byte order mark; ci8_le for ci8): "
        "it is read all the same",
    )


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_metadata_as_windows_saves_them(tmp_path, wave, encoding):
    meta = sigmf_files(tmp_path, wave)
    meta.write_bytes(meta.read_text().encode(encoding))
    recording = open_recording(meta)
    assert_is(recording, wave, CI16_STEP)
    assert "it begins with a byte order mark" in recording.notes[0]


def test_real_samples_of_no_stated_kind(tmp_path, wave):
    meta = sigmf_files(tmp_path, wave, {"core:datatype": "i16_le"})
    meta.with_suffix(".sigmf-data").write_bytes(encode(wave.real, SampleFormat.RI16))
    assert open_recording(meta).sample_format is SampleFormat.RI16


def test_what_is_needed_must_be_right(tmp_path, wave):
    meta = sigmf_files(tmp_path, wave, {"core:sample_rate": "fast"})
    assert refusal(lambda: open_recording(meta), meta) == (
        "FILE must be valid SigMF metadata, which it is not (could not convert string to float: "
        "'fast'): check it with sigmf_validate"
    )


def test_floats_of_32_bits_that_are_called_64(tmp_path, wave):
    meta = sigmf_files(tmp_path, wave, {"core:datatype": "cf64_le"})
    data = meta.with_suffix(".sigmf-data")
    data.write_bytes(encode(wave, SampleFormat.CF32))
    recording = open_recording(meta)
    assert_is(recording, wave)
    assert recording.notes == (
        "air.sigmf-data holds cf32 samples where air.sigmf-meta says cf64: read as cf32",
    )
    double = wave.astype(complex)
    for true in (double / 3, double, np.round(99 * double)):
        data.write_bytes(true.tobytes())
        assert open_recording(meta).sample_format is SampleFormat.CF64


def test_headers_between_captures(tmp_path, wave):
    captures = [
        {"core:sample_start": 0, "core:header_bytes": 7},
        {"core:sample_start": 10_000, "core:header_bytes": 32},
        {"core:sample_start": 30_000},
    ]
    meta = sigmf_files(tmp_path, wave, {"core:trailing_bytes": 5}, captures)
    stored = encode(wave, SampleFormat.CI16)
    content = b"#" * 7 + stored[:40_000] + b"#" * 32 + stored[40_000:] + b"#" * 5
    meta.with_suffix(".sigmf-data").write_bytes(content)
    recording = open_recording(meta)
    assert_is(recording, wave, CI16_STEP)
    part = recording.part(9_000, 22_000)
    np.testing.assert_array_equal(whole(part), whole(recording)[9_000:31_000])


def test_one_of_several_channels(tmp_path, wave):
    meta = sigmf_files(tmp_path, wave, {"core:num_channels": 2})
    both = np.stack([wave[::-1], wave], 1).ravel()
    meta.with_suffix(".sigmf-data").write_bytes(encode(both, SampleFormat.CI16))
    assert_is(open_as(meta, FileFacts(channels=(2,))), wave, CI16_STEP)
    assert refusal(lambda: open_as(meta, FileFacts(channels=(3,))), meta, ConfigError) == (
        "channels must be one of the 2 of FILE, from 1, not 3: choose another one"
    )


@pytest.mark.parametrize("suffix", [".sigmf", ".sigmf.gz", ".sigmf.xz", ".sigmf.zip"])
def test_archives(tmp_path, wave, suffix):
    meta = sigmf_files(tmp_path, wave)
    path = tmp_path / f"both{suffix}"
    parts = [meta, meta.with_suffix(".sigmf-data")]
    if suffix == ".sigmf.zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for part in parts:
                archive.write(part, f"air/{part.name}")
    else:
        mode: Any = f"w:{suffix.removeprefix('.sigmf').removeprefix('.')}"
        with tarfile.open(path, mode) as archive:
            for part in parts:
                archive.add(part, f"air/{part.name}")
    recording = open_recording(path)
    assert_is(recording, wave, CI16_STEP)
    assert recording.centre_hz == 433.92e6
    out = tmp_path / "out.sigmf-meta"
    write_annotations(out, recording, [], "by me")
    assert sigmf.fromfile(out, skip_checksum=True).get_global_info()["core:sample_rate"] == 250e3


@pytest.mark.parametrize("kind", ["w:gz", "w:xz"])
def test_an_archive_whose_name_does_not_say_that_it_is_compressed(tmp_path, wave, kind):
    meta = sigmf_files(tmp_path, wave)
    path = tmp_path / "both.sigmf"
    with tarfile.open(path, kind) as archive:
        for part in (meta, meta.with_suffix(".sigmf-data")):
            archive.add(part, part.name)
    assert_is(open_recording(path), wave, CI16_STEP)


@pytest.mark.parametrize("suffix", [".sigmf.gz", ".sigmf.xz", ".sigmf.zip"])
def test_what_only_claims_to_be_an_archive(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    for content in (b"nothing", gzip.compress(b"nothing")[:-9], b"PK\x03\x04" + bytes(40)):
        path.write_bytes(content)
        assert refusal(lambda: open_recording(path), path).startswith("FILE must ")


def test_a_damaged_archive_ends_in_one_line(tmp_path, wave):
    meta = sigmf_files(tmp_path, wave)
    path = tmp_path / "x.sigmf.gz"
    with tarfile.open(path, "w:gz") as archive:
        for part in (meta, meta.with_suffix(".sigmf-data")):
            archive.add(part, part.name)
    content = path.read_bytes()
    for cut in range(1000, len(content) - 1000, 9001):
        path.write_bytes(content[:cut])
        assert "must " in refusal(lambda: whole(open_recording(path)), path)


def test_a_collection_is_several(tmp_path):
    path = tmp_path / "x.sigmf-collection"
    path.write_text(json.dumps({"collection": {"core:streams": [{"name": "a"}, {"name": "b"}]}}))
    assert refusal(lambda: open_recording(path), path) == (
        "FILE must be one recording, not 2: give a.sigmf-meta or b.sigmf-meta"
    )
