"""Folders of labelled recordings: CSPB.ML.2018's `.tim` files, and annotated SigMF recordings.

CSPB.ML.2018 and its second release are 112,000 files `signal_N.tim`, in folders, and a text that
says of each N, a line each: number, modulation, symbol period, carrier offset, excess bandwidth,
two resampling factors, SNR in its band in dB, noise in dB.

Source: C. M. Spooner, "Dataset for the Machine-Learning Challenge [CSPB.ML.2018]",
cyclostationary.blog, 2019: interleaved real and imaginary parts. Its `read_binary.m` was not at
hand; how many numbers of 32 bits stand before the samples is told by the one that counts them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import sigmf
from numpy.typing import NDArray

from boltmod.data.sigmf_frames import SNR_KEY, frame_at
from boltmod.errors import DataFormatError
from boltmod.recording import sigmf_meta
from boltmod.recording.raw import RawRecording
from boltmod.recording.sigmf import META_SUFFIX, open_sigmf
from boltmod.untrusted import read_bytes

_TIM = re.compile(r"signal_(\d+)\.tim")
_MOST_TRUTH_BYTES = 1 << 26
_MOST_TIM_BYTES = 1 << 28
_LEAST_FIELDS = 8
_SNR_FIELD = 7
_MOST_OVERLAP = 16
"""Frames that one sample may lie in: annotations may overlap."""

Array = NDArray[Any]


class Pieces:
    """Frames that lie in several files, read when they are asked for, as an array is.

    Args:
        places: File and first sample of each frame.
        length: Complex samples of a frame.
    """

    dtype = np.dtype(np.complex64)

    def __init__(self, places: list[tuple[Any, int]], length: int) -> None:
        self._places, self.shape = places, (len(places), length)

    def __getitem__(self, part: slice) -> Array:
        length = self.shape[1]
        frames = [self._frame(file, start, length) for file, start in self._places[part]]
        return np.stack(frames) if frames else np.empty((0, length), self.dtype)

    @staticmethod
    def _frame(file: Any, start: int, length: int) -> Array:
        if isinstance(file, RawRecording):
            return frame_at(file, start, length)
        return _tim_samples(file)[start : start + length]


def of_folder(folder: Path, frame_length: int | None) -> dict[str, Any]:
    """The frames of a folder's recordings, their classes and SNRs.

    Args:
        folder: Where `.tim` files and their text lie, or annotated SigMF recordings.
        frame_length: Complex samples of a frame: a `.tim` file's own number, or 1024, if None.

    Returns:
        `x`, `y` and, where each frame's is known, `z`.

    Raises:
        DataFormatError: There are neither, or they are not what they should be.
    """
    metas = sorted(folder.rglob(f"*{META_SUFFIX}"))
    tims = {int(m[1]): path for path in folder.rglob("*.tim") if (m := _TIM.fullmatch(path.name))}
    if metas:
        return _of_sigmf(folder, metas, frame_length or 1024)
    if tims:
        return _of_tim(folder, tims, frame_length)
    raise DataFormatError(
        f"{folder} must hold annotated SigMF recordings or signal_N.tim files, and holds neither: "
        "name the folder they lie in"
    )


def _of_tim(folder: Path, tims: dict[int, Path], frame_length: int | None) -> dict[str, Any]:
    truth = _truth(folder)
    missing = sorted(tims.keys() - truth.keys())
    if missing:
        raise DataFormatError(
            f"a text in {folder} must say what signal_{missing[0]}.tim is, as CSPB.ML.2018's "
            "signal_record does, and none does: put it there"
        )
    numbers = sorted(tims)
    there = len(_tim_samples(tims[numbers[0]]))
    length = frame_length or there
    if length > there:
        raise DataFormatError(
            f"frames of {folder} must have at most {there} samples, as many as a file has, not "
            f"{length}: give a smaller --frame-length"
        )
    starts = range(0, there - length + 1, length)
    return {
        "x": Pieces([(tims[n], start) for n in numbers for start in starts], length),
        "y": np.repeat([truth[n][0] for n in numbers], len(starts)),
        "z": np.repeat([truth[n][1] for n in numbers], len(starts)),
    }


def _truth(folder: Path) -> dict[int, tuple[str, float]]:
    """Class and SNR of each number that the texts in a folder speak of."""
    found: dict[int, tuple[str, float]] = {}
    for path in sorted(folder.rglob("*.txt")):
        text = read_bytes(path, _MOST_TRUTH_BYTES, "a text of signals").decode("utf-8", "replace")
        for line in text.splitlines():
            fields = line.split()
            if len(fields) < _LEAST_FIELDS or not fields[0].isdecimal():
                continue
            try:
                found[int(fields[0])] = fields[1], float(fields[_SNR_FIELD])
            except ValueError:
                raise DataFormatError(
                    f"{path} must have an SNR in dB as eighth word of each line, not "
                    f"{fields[_SNR_FIELD]!r}: take the data set's own"
                ) from None
    return found


def _tim_samples(path: Path) -> Array:
    content = read_bytes(path, _MOST_TIM_BYTES, "a .tim file")
    words = np.frombuffer(content[: len(content) // 4 * 4], "<i4")
    for n_before in (1, 2):
        n_samples = (len(words) - n_before) // 2
        if len(words) > n_before and words[n_before - 1] == n_samples:
            return words[n_before : n_before + 2 * n_samples].view("<f4").view(np.complex64)
    raise DataFormatError(
        f"{path} must hold the number of its samples and these, real and imaginary parts as "
        "float32, which it does not: copy it again"
    )


def _of_sigmf(folder: Path, metas: list[Path], length: int) -> dict[str, Any]:
    places: list[tuple[RawRecording, int]] = []
    names: list[str] = []
    snrs: list[float | None] = []
    for meta in metas:
        recording = open_sigmf(meta)
        n_left = _MOST_OVERLAP * (recording.n_samples // length + 1)
        end = recording.first_sample + recording.n_samples
        for entry in sigmf_meta.read(meta).document.get("annotations", []):
            name, start = entry.get(sigmf.LABEL_KEY), int(entry[sigmf.SAMPLE_START_KEY])
            count = int(entry.get(sigmf.SAMPLE_COUNT_KEY, end - start))
            if not isinstance(name, str) or not name:
                continue
            starts = range(start, start + count - length + 1, length)
            n_left -= len(starts)
            if start < recording.first_sample or start + count > end or n_left < 0:
                raise DataFormatError(
                    f"annotations of {meta} must lie within its samples and not more than "
                    f"{_MOST_OVERLAP} times on the same ones, which they do not: correct them"
                )
            places += [(recording, each) for each in starts]
            names += [name] * len(starts)
            snrs += [entry.get(SNR_KEY)] * len(starts)
    if not places:
        raise DataFormatError(
            f"recordings in {folder} must have annotations of at least {length} samples with a "
            "class as core:label, and have none: annotate them"
        )
    known = {"z": np.array(snrs, float)} if None not in snrs else {}
    return {"x": Pieces(places, length), "y": np.array(names)} | known
