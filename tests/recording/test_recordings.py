"""Reading recordings: raw, WAV, SigMF; and what is wrong with bad ones."""

import json

import numpy as np
import pytest
import sigmf
from scipy.io import wavfile

from boltmod.errors import ConfigError, DataFormatError
from boltmod.recording.opening import open_recording
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.recording.sigmf import Annotation, open_sigmf, write_annotations
from hand_made_signals import encode


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    return (0.3 * (rng.standard_normal(3000) + 1j * rng.standard_normal(3000))).astype(np.complex64)


def whole(recording, block=700):
    return np.concatenate([each.samples for each in recording.stretches(block)])


def write_sigmf(folder, samples, datatype="cf32_le", **changes):
    data = folder / "capture.sigmf-data"
    data.write_bytes(encode(samples, SampleFormat.named(datatype)))
    meta = sigmf.SigMFFile(
        data_file=data, global_info={"core:datatype": datatype, "core:sample_rate": 48000} | changes
    )
    meta.add_capture(0)
    meta.tofile(folder / "capture.sigmf-meta", overwrite=True)
    return folder / "capture.sigmf-meta"


def refusal(call, path, kind=DataFormatError):
    with pytest.raises(kind) as error:
        call()
    return str(error.value).replace(str(path), "FILE")


@pytest.mark.parametrize("sample_format", list(SampleFormat))
def test_every_format_gives_back_the_samples(tmp_path, samples, sample_format):
    path = tmp_path / "capture"
    path.write_bytes(encode(samples, sample_format))
    recording = open_recording(path, sample_format.label, rate_hz=1e6)
    assert recording.n_samples == 3000
    assert recording.rate_hz == 1e6
    step = 0.0 if sample_format.component.kind == "f" else 1 / sample_format.full_scale
    step = max(step, 2.0**-23 if "24" in sample_format.label else 0.0)
    sent = samples.real if sample_format.is_real else samples.view(np.float32)
    read = whole(recording).real if sample_format.is_real else whole(recording).view(np.float32)
    tolerance = 0.51 * step + 1e-6
    if sample_format.is_real:  # the filter that makes it analytic passes all but the band's edges
        tolerance = 0.35
    inside = abs(sent) < 1 - 2 * step
    assert abs(read - sent)[inside].max() <= tolerance


@pytest.mark.parametrize("sample_format", list(SampleFormat))
def test_endings_are_unambiguous_and_recognised(tmp_path, sample_format):
    for suffix in sample_format.suffixes:
        assert SampleFormat.of_suffix(tmp_path / f"x{suffix.upper()}") is sample_format


def test_an_ending_that_does_not_tell(tmp_path):
    path = tmp_path / "capture.iq"
    assert refusal(lambda: open_recording(path), path, ConfigError) == (
        "sample format of FILE must be given, for its ending does not tell: "
        "add --format cf32, ci16, ci8 or cu8"
    )


KNOWN = [each.sigmf_datatype for each in SampleFormat]


def test_an_unknown_format(tmp_path):
    known = ", ".join(name.removesuffix("_le") for name in KNOWN)
    assert refusal(lambda: open_recording(tmp_path, "cf16"), tmp_path, ConfigError) == (
        f"sample format must be one of {known}, not 'cf16': choose one of them"
    )


def test_an_empty_file(tmp_path):
    path = tmp_path / "x.cf32"
    path.touch()
    assert refusal(lambda: open_recording(path), path) == (
        "FILE must hold samples, and is empty: record again"
    )


def test_a_missing_file(tmp_path):
    path = tmp_path / "x.cf32"
    assert refusal(lambda: open_recording(path), path) == (
        "FILE must be a readable file, and is none: check the name"
    )


def test_half_a_sample(tmp_path):
    path = tmp_path / "x.ci16"
    path.write_bytes(bytes(4099))
    assert refusal(lambda: open_recording(path), path) == (
        "FILE must hold whole ci16 samples of 4 bytes, not 4099 bytes: "
        "give its true format, or record again"
    )


@pytest.mark.parametrize(("bad", "told"), [(np.nan, "(nan+0j)"), (1j * np.inf, "infj")])
def test_samples_that_are_no_numbers(tmp_path, samples, bad, told):
    path = tmp_path / "x.cf32"
    samples[2345] = bad
    samples.tofile(path)
    message = refusal(lambda: whole(open_recording(path)), path)
    assert message.startswith("FILE must hold finite samples, not ")
    assert message.endswith(" at sample 2345: give its true format, or record again")


def test_a_file_that_shrinks_while_it_is_read(tmp_path, samples):
    path = tmp_path / "x.cf32"
    samples.tofile(path)
    recording = RawRecording(path, SampleFormat.CF32, n_bytes=8 * 4000)
    assert refusal(lambda: whole(recording), path) == (
        "FILE must hold 4000 samples, and ends before: let the recording finish"
    )


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_two_channel_wav_is_read(tmp_path, samples, dtype):
    path = tmp_path / "x.wav"
    sample_format = {"uint8": "cu8", "int16": "ci16", "float32": "cf32"}[dtype]
    stored = encode(samples, SampleFormat.named(sample_format))
    wavfile.write(path, 96000, np.frombuffer(stored, dtype).reshape(-1, 2))
    recording = open_recording(path)
    assert recording.rate_hz == 96000
    np.testing.assert_allclose(whole(recording), samples, atol=0.75)
    assert np.corrcoef(abs(whole(recording)), abs(samples))[0, 1] > 0.9


def test_what_only_claims_to_be_wav(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(b"nothing of the kind")
    assert refusal(lambda: open_recording(path), path).startswith(
        "FILE must be a readable WAV file, which it is not ("
    )


@pytest.mark.parametrize("datatype", ["cf32_le", "cf32_be", "ci16_le", "cu8", "cf64_le"])
@pytest.mark.parametrize("suffix", [".sigmf-meta", ".sigmf-data"])
def test_sigmf_is_read_as_its_own_package_reads_it(tmp_path, samples, datatype, suffix):
    meta = write_sigmf(tmp_path, samples, datatype)
    recording = open_recording(meta.with_suffix(suffix))
    theirs = sigmf.fromfile(meta).read_samples()
    half_a_code = 0.51 / 128 * np.sqrt(2) if datatype == "cu8" else 1e-6
    assert recording.rate_hz == 48000
    np.testing.assert_allclose(whole(recording), theirs, atol=2 * half_a_code)


def test_sigmf_without_its_samples(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    meta.with_suffix(".sigmf-data").unlink()
    assert refusal(lambda: open_sigmf(meta), tmp_path) == (
        "FILE/capture.sigmf-data must lie beside capture.sigmf-meta, and does not: fetch it"
    )


def test_sigmf_without_its_metadata(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    meta.unlink()
    assert refusal(lambda: open_sigmf(meta.with_suffix(".sigmf-data")), meta) == (
        "FILE must lie beside the samples, and does not: "
        "fetch it, or give the sample file's format with --format"
    )


def test_sigmf_of_another_length_than_its_checksum_says(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    data = meta.with_suffix(".sigmf-data")
    data.write_bytes(data.read_bytes()[:-80])
    assert refusal(lambda: open_sigmf(meta), data) == (
        "FILE must be what capture.sigmf-meta says, which it is not "
        "(Calculated file hash does not match associated metadata): fetch both files again"
    )


def test_sigmf_with_half_a_sample_and_no_checksum(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    data = meta.with_suffix(".sigmf-data")
    data.write_bytes(data.read_bytes()[:-3])
    told = json.loads(meta.read_text())
    del told["global"]["core:sha512"]
    meta.write_text(json.dumps(told))
    assert refusal(lambda: open_sigmf(meta), data) == (
        "FILE must be what capture.sigmf-meta says, which it is not (Data source does not contain "
        "an integer number of samples across channels, it may be invalid): fetch both files again"
    )


def test_sigmf_with_empty_samples(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    data = meta.with_suffix(".sigmf-data")
    data.write_bytes(b"")
    assert refusal(lambda: open_sigmf(meta), data) == (
        "FILE must hold samples, and is empty: record again"
    )


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", "null", "{}", '{"captures": [], "annotations": []}', '{"global": {}}',
     '{"global": {"core:v": 1}}'],
)  # fmt: skip
def test_metadata_that_are_none(tmp_path, samples, text):
    meta = write_sigmf(tmp_path, samples)
    meta.write_text(text)
    message = refusal(lambda: open_sigmf(meta), meta)
    assert message.startswith("FILE must be valid SigMF metadata, which it is not (")
    assert message.endswith("): check it with sigmf_validate")


def change(meta, **entries):
    told = json.loads(meta.read_text())
    told["global"].pop("core:sha512", None)
    told["global"] |= {f"core:{key}": value for key, value in entries.items()}
    meta.write_text(json.dumps(told))


def test_sigmf_that_points_out_of_its_folder(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    change(meta, dataset="../../etc/passwd")
    assert refusal(lambda: open_sigmf(meta), meta) == (
        "core:dataset of FILE must be the name of a file beside it, not '../../etc/passwd': "
        "move the sample file there"
    )


def test_sigmf_of_a_type_that_there_is_not(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    change(meta, datatype="ri24_be")
    assert refusal(lambda: open_sigmf(meta), meta).startswith("FILE must be valid SigMF metadata")


def test_sigmf_of_two_channels(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    change(meta, num_channels=2)
    assert refusal(lambda: open_sigmf(meta), meta) == (
        "FILE must describe one channel, not 2: choose one with --channels 1"
    )


def test_annotations_beside_the_samples_are_a_recording_again(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    recording = open_sigmf(meta)
    first = tmp_path / "one.sigmf-meta"
    write_annotations(first, recording, [Annotation(1024, 1024, "OOK", 0.5, "loud")], "by me")
    write_annotations(meta, open_sigmf(first), [Annotation(0, 1024, "FM")], "by me")
    np.testing.assert_array_equal(whole(open_sigmf(meta)), samples)
    seen = sigmf.fromfile(meta).get_annotations()
    assert [(a["core:sample_start"], a["core:label"]) for a in seen] == [(0, "FM")]
    (entry,) = sigmf.fromfile(first).get_annotations()
    assert entry["boltmod:probability"] == 0.5
    assert entry["core:comment"] == "loud"


def test_annotations_keep_those_that_were_there(tmp_path, samples):
    meta = write_sigmf(tmp_path, samples)
    for label, start in (("FM", 1024), ("OOK", 0)):
        write_annotations(meta, open_sigmf(meta), [Annotation(start, 9, label)], "by me")
    assert [a["core:label"] for a in sigmf.fromfile(meta).get_annotations()] == ["OOK", "FM"]
    assert len(sigmf.fromfile(meta).get_global_field("core:extensions")) == 1


def test_annotations_elsewhere_say_that_they_have_no_samples(tmp_path, samples):
    recording = open_sigmf(write_sigmf(tmp_path, samples))
    (tmp_path / "away").mkdir()
    path = tmp_path / "away" / "x.sigmf-meta"
    write_annotations(path, recording, [Annotation(0, 9, "FM")], "by me")
    assert json.loads(path.read_text())["global"]["core:metadata_only"] is True
    assert sorted(p.name for p in path.parent.iterdir()) == ["x.sigmf-meta"]
