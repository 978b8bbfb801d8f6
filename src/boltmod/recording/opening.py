"""Any recording of one channel, whatever file it lies in."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from boltmod.recording import wav
from boltmod.recording.file_names import ARCHIVE_SUFFIX, DATA_SUFFIX, META_SUFFIX, facts_of
from boltmod.recording.raw import RawRecording, SampleFormat


def open_recording(
    path: Path, sample_format: str | None = None, rate_hz: float | None = None
) -> RawRecording:
    """Open a SigMF recording or archive, a WAV file, or a file of nothing but samples.

    Args:
        path: The file; for SigMF either of its two, or the archive of both.
        sample_format: Name of the sample format of a raw file; told from its name if None.
        rate_hz: Samples a second; as the file or its name says, if one does, if None.

    Raises:
        DataFormatError: The file is not what it should be.
        ConfigError: The sample format is not known.
    """
    named = facts_of(path)
    if sample_format is not None:
        recording = RawRecording(path, SampleFormat.named(sample_format))
    elif path.suffix in (META_SUFFIX, DATA_SUFFIX):
        from boltmod.recording.sigmf import open_sigmf  # here, for it takes a tenth of a second

        recording = open_sigmf(path)
    elif path.suffix == ARCHIVE_SUFFIX:
        from boltmod.recording.sigmf import open_archive

        recording = open_archive(path)
    elif path.suffix.lower() == ".wav":
        recording = wav.open_wav(path)
    else:
        recording = RawRecording(path, named.sample_format or SampleFormat.of_suffix(path))
    return replace(
        recording,
        rate_hz=rate_hz or recording.rate_hz or named.rate_hz,
        centre_hz=named.centre_hz if recording.centre_hz is None else recording.centre_hz,
    )
