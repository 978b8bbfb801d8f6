"""Any recording of one channel, whatever file it lies in."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.io import wavfile

from boltmod.data import sigmf
from boltmod.data.raw import RawRecording, SampleFormat
from boltmod.errors import DataFormatError

_WAV_FORMATS = {
    np.dtype(np.uint8): SampleFormat.CU8,
    np.dtype(np.int16): SampleFormat.CI16,
    np.dtype(np.int32): SampleFormat.CI32,
    np.dtype(np.float32): SampleFormat.CF32,
}


def open_recording(
    path: Path, sample_format: str | None = None, rate_hz: float | None = None
) -> RawRecording:
    """Open a SigMF recording, a two-channel WAV file, or a file of nothing but samples.

    Args:
        path: The file; for SigMF either of its two.
        sample_format: Name of the sample format of a raw file; told from its ending if None.
        rate_hz: Samples a second; as the file says, if it does, if None.

    Raises:
        DataFormatError: The file is not what it should be.
        ConfigError: The sample format is not known.
    """
    if sample_format is not None:
        recording = RawRecording(path, SampleFormat.named(sample_format))
    elif path.suffix in (sigmf.META_SUFFIX, sigmf.DATA_SUFFIX):
        recording = sigmf.open_sigmf(path)
    elif path.suffix.lower() == ".wav":
        recording = _open_wav(path)
    elif path.suffix == ".sigmf":
        raise DataFormatError(f"{path} must be unpacked before it can be read: tar -xf {path.name}")
    else:
        recording = RawRecording(path, SampleFormat.of_suffix(path))
    return recording if rate_hz is None else replace(recording, rate_hz=rate_hz)


def _open_wav(path: Path) -> RawRecording:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", wavfile.WavFileWarning)
            rate_hz, samples = wavfile.read(path, mmap=True)
    except (ValueError, OSError, EOFError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataFormatError(
            f"{path} must be a readable WAV file, which it is not ({reason}): record again"
        ) from None
    if samples.ndim != 2 or samples.shape[1] != 2:
        n_channels = 1 if samples.ndim == 1 else samples.shape[1]
        raise DataFormatError(
            f"{path} must have two channels, I left and Q right, not {n_channels}: "
            "record complex samples, or convert the real signal to them"
        )
    if samples.dtype not in _WAV_FORMATS:
        raise DataFormatError(
            f"{path} must hold 8, 16 or 32 bit samples, not {samples.dtype}: convert it"
        )
    return RawRecording(
        path, _WAV_FORMATS[samples.dtype], float(rate_hz), samples.offset, samples.nbytes
    )
