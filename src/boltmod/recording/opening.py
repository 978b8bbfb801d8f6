"""Any recording, whatever file it lies in."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from boltmod.errors import ConfigError, DataFormatError
from boltmod.recording import iq_or_real, magic, npy, portapack, sdriq, wav
from boltmod.recording.file_names import NamedFacts, facts_of
from boltmod.recording.raw import RawRecording, SampleFormat, level_of
from boltmod.untrusted import MOST_TEXT_BYTES, read_by, read_bytes

_SIGMF_SUFFIXES = (".sigmf-meta", ".sigmf-data")
ARCHIVE_SUFFIXES = (".sigmf", ".sigmf.gz", ".sigmf.xz", ".sigmf.zip")
COLLECTION_SUFFIX = ".sigmf-collection"
_CONTAINERS: dict[tuple[str, ...], Callable[[Path, tuple[int, ...] | None], RawRecording]] = {
    wav.SUFFIXES: wav.open_wav,
    (sdriq.SUFFIX,): lambda path, channels: sdriq.open_sdriq(path),
    (npy.SUFFIX,): lambda path, channels: npy.open_npy(path),
}
"""Files that say themselves what lies in them, by their endings, and what opens them."""


@dataclass(frozen=True)
class FileFacts:
    """What whoever opens a file knows of it already; None for what the file is to tell.

    Args:
        sample_format: Name of the sample format of a file of nothing but samples.
        rate_hz: Samples a second.
        centre_hz: Radio frequency of the middle of the band.
        is_real: Whether its samples are real; else I and Q in turn.
        channels: Of several channels the one to read, or those of I and Q, from 1.
    """

    sample_format: str | None = None
    rate_hz: float | None = None
    centre_hz: float | None = None
    is_real: bool | None = None
    channels: tuple[int, ...] | None = None


def open_recording(
    path: Path | str,
    sample_format: str | None = None,
    rate_hz: float | None = None,
    *,
    centre_hz: float | None = None,
    is_real: bool | None = None,
    channels: tuple[int, ...] | None = None,
) -> RawRecording:
    """Open a recording: SigMF (archives too), WAV, SDRangel, NumPy, or nothing but samples.

    Args:
        path: The file; for SigMF either of its two, or the archive of both.
        sample_format: Name of the sample format of a raw file; told from its name if None.
        rate_hz: Samples a second; as the file or its name says, if one does, if None.
        centre_hz: Radio frequency of the middle of the band; as `rate_hz`.
        is_real: Whether the samples of a raw file are real, else I and Q in turn; told from name
            and samples if None.
        channels: Of a WAV or SigMF file's channels the one to read, or those of I and Q, from 1.

    Raises:
        DataFormatError: The file is not what it should be.
        ConfigError: The sample format is not known, or what was told is not for such a file.

    Examples:
        >>> import boltmod, numpy as np
        >>> np.exp(0.1j * np.arange(4096)).astype(np.complex64).tofile("air_433.92M_250k.cf32")
        >>> recording = boltmod.open_recording("air_433.92M_250k.cf32")
        >>> recording.n_samples, recording.rate_hz, recording.centre_hz
        (4096, 250000.0, 433920000.0)
    """
    return open_as(Path(path), FileFacts(sample_format, rate_hz, centre_hz, is_real, channels))


def open_as(path: Path, facts: FileFacts) -> RawRecording:
    """Open a file as `open_recording` does, with all that may be told of it.

    Raises:
        DataFormatError: The file is not what it should be.
        ConfigError: What was told is wrong, or is not for such a file.
    """
    named = portapack.facts_beside(path, facts_of(path))
    with read_by("archives", path, "a recording that can be read", "fetch it again"):
        recording = _opened(path, facts, named)
    centre_hz = named.centre_hz if recording.centre_hz is None else recording.centre_hz
    return replace(
        recording,
        rate_hz=facts.rate_hz or recording.rate_hz or named.rate_hz,
        centre_hz=centre_hz if facts.centre_hz is None else facts.centre_hz,
        started=recording.started or named.started,
    )


def _opened(path: Path, facts: FileFacts, named: NamedFacts) -> RawRecording:
    name = path.name.lower()
    has_channels = name.endswith((*wav.SUFFIXES, *_SIGMF_SUFFIXES, *ARCHIVE_SUFFIXES))
    if facts.channels is not None and (facts.sample_format is not None or not has_channels):
        raise ConfigError(f"channels must be left out for {path}: only WAV and SigMF have them")
    if facts.sample_format is not None:
        return _raw(path, facts.sample_format, facts)
    if facts.is_real is not None and has_channels:
        raise ConfigError(
            f"--real and --iq must be left out for {path}: it says itself which it is"
        )
    if name.endswith(COLLECTION_SUFFIX):
        names = streams_of(path)
        listed = " or ".join(f"{name}.sigmf-meta" for name in names) or "a .sigmf-meta file"
        raise DataFormatError(f"{path} must be one recording, not {len(names)}: give {listed}")
    if name.endswith(_SIGMF_SUFFIXES):
        from boltmod.recording.sigmf import open_sigmf  # here, for it takes a tenth of a second

        return open_sigmf(path, facts.channels)
    if name.endswith(ARCHIVE_SUFFIXES):
        from boltmod.recording.sigmf_archive import open_archive

        return open_archive(path, facts.channels)
    for suffixes, opener in _CONTAINERS.items():
        if name.endswith(suffixes):
            if not path.is_file():
                raise DataFormatError(
                    f"{path} must be a readable file, and is none: check the name"
                )
            return opener(path, facts.channels)
    if named.sample_format is not None:
        return _raw(path, named.sample_format.label, facts)
    magic.refuse_header(path)
    SampleFormat.of_suffix(path)
    return _raw(path, path.suffix, facts, named.is_real)


def _raw(path: Path, word: str, facts: FileFacts, named: bool | None = None) -> RawRecording:
    """A file of nothing but samples, of a format that has this name or ending."""
    magic.refuse_header(path)
    sample_format = SampleFormat.named(word)
    if facts.is_real is None and iq_or_real.is_ambiguous(word):
        sample_format, note = iq_or_real.told_apart(path, sample_format, named)
        return RawRecording(path, sample_format, notes=(note,))
    if facts.is_real is not None and facts.is_real != sample_format.is_real:
        sample_format = sample_format.real if facts.is_real else sample_format.iq
    return RawRecording(path, sample_format, level=level_of(word))


def streams_of(path: Path) -> list[str]:
    """Names of the recordings of a SigMF collection.

    Raises:
        DataFormatError: It is none.
    """
    try:
        content = json.loads(read_bytes(path, MOST_TEXT_BYTES, "a collection").decode("utf-8-sig"))
        return [str(each["name"]) for each in content["collection"]["core:streams"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise DataFormatError(
            f"{path} must be a SigMF collection, which it is not: give a .sigmf-meta file"
        ) from None
