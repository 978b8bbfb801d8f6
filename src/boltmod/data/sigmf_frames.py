"""Labelled frames as a SigMF recording, one after the other, and back.

Each frame, or longer stream of one class, is an annotation: its class as `core:label`, its SNR
label as `boltmod:snr_label_db`. A label is a label; what true SNR it stands for, the generator's
profile says. Source: SigMF 1.2, github.com/sigmf/SigMF.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sigmf

from boltmod import __version__
from boltmod.data.loader import Batch
from boltmod.errors import ConfigError, DataFormatError
from boltmod.files import replacing
from boltmod.modulation import CLASSES, FRAME_LENGTH, SNR_LABELS
from boltmod.recording import sigmf_meta
from boltmod.recording.analytic import Samples
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.recording.sigmf import DATA_SUFFIX, META_SUFFIX, Annotation, open_sigmf

SNR_KEY = "boltmod:snr_label_db"

_FRAMES_AT_ONCE = 1024
_MARGIN = 256
"""Samples beside a frame, as many as the filter for real samples sees."""
_MOST_OVERLAP = 16
"""Frames that one sample may lie in: annotations may overlap."""


def write_frames(
    path: Path,
    batches: Iterable[Batch],
    *,
    description: str,
    rate_hz: float | None = None,
) -> int:
    """Write frames one after the other as a SigMF recording; both files appear only when complete.

    Args:
        path: The `.sigmf-meta` file; the `.sigmf-data` file comes beside it.
        batches: I/Q planes (k, 2, n_samples) float32, class labels and SNR labels (k,); frames of
            any length, longer streams included.
        description: What the recording is, in words.
        rate_hz: Samples a second, if the samples are to have any.

    Returns:
        The number of frames.

    Raises:
        ConfigError: `path` does not end in `.sigmf-meta`.
        DataFormatError: There are no frames.
    """
    if path.suffix != META_SUFFIX:
        raise ConfigError(f"{path} must end in {META_SUFFIX}; name it {path.stem}{META_SUFFIX}")
    path.parent.mkdir(parents=True, exist_ok=True)
    data_path = path.with_suffix(DATA_SUFFIX)
    sigmf_meta.check_rate(rate_hz)
    with replacing(path) as new_meta, replacing(data_path) as new_data:
        annotations, digest = _write_samples(new_data, batches)
        if not annotations:
            raise DataFormatError(f"{path} must hold at least one frame, not 0; choose more data")
        meta = _metadata(annotations, digest, description, rate_hz)
        new_meta.write_text(json.dumps(meta, indent=1) + "\n", encoding="utf-8")
    return len(annotations)


def _write_samples(path: Path, batches: Iterable[Batch]) -> tuple[list[dict[str, Any]], str]:
    annotations: list[dict[str, Any]] = []
    digest, place = hashlib.sha512(), 0
    with path.open("wb") as file:
        for iq_planes, class_ids, snr_labels in batches:
            content = np.ascontiguousarray(iq_planes.transpose(0, 2, 1), "<f4").tobytes()
            file.write(content)
            digest.update(content)
            for class_id, snr_label in zip(class_ids, snr_labels, strict=True):
                annotation = Annotation(place, iq_planes.shape[2], CLASSES[class_id])
                annotations.append(annotation.as_dict() | {SNR_KEY: int(snr_label)})
                place += iq_planes.shape[2]
    return annotations, digest.hexdigest()


def _metadata(
    annotations: list[dict[str, Any]], digest: str, description: str, rate_hz: float | None
) -> dict[str, Any]:
    facts = {
        sigmf.DATATYPE_KEY: SampleFormat.CF32.sigmf_datatype,
        sigmf.VERSION_KEY: sigmf.__specification__,
        sigmf.DESCRIPTION_KEY: description,
        sigmf.RECORDER_KEY: f"boltmod {__version__}",
        sigmf.SHA512_KEY: digest,
        sigmf.EXTENSIONS_KEY: [{"name": "boltmod", "version": __version__, "optional": True}],
    }
    if rate_hz is not None:
        facts[sigmf.SAMPLE_RATE_KEY] = rate_hz
    meta = {
        "global": facts,
        "captures": [{sigmf.SAMPLE_START_KEY: 0}],
        "annotations": annotations,
    }
    sigmf.SigMFFile(meta).validate()
    return meta


class SigMFFrames:
    """The labelled frames of a SigMF recording.

    Every annotation with a class of RadioML and an SNR label counts; one longer than a frame is
    cut into frames, what is left over is dropped.

    Args:
        path: Either of the recording's two files.

    Raises:
        DataFormatError: The recording is damaged, or no annotation names a class and an SNR label.
    """

    def __init__(self, path: Path) -> None:
        self._recording = open_sigmf(path)
        meta = path.with_suffix(META_SUFFIX)
        document = sigmf_meta.read(meta).document
        rows = sorted(_frames(document.get("annotations", []), meta, self._recording))
        if not rows:
            raise DataFormatError(
                f"{meta} must have annotations of at least {FRAME_LENGTH} samples with a class as "
                f"core:label and an SNR label as {SNR_KEY}, and has none; "
                "write such a file with `boltmod data to-sigmf`"
            )
        starts, class_ids, snr_labels = np.array(rows, np.int64).T
        self._starts = starts
        self.class_ids: npt.NDArray[np.int64] = class_ids
        """Integer labels in the recording's order, shape (n,), int64."""
        self.snr_labels: npt.NDArray[np.int64] = snr_labels
        """SNR labels in dB, shape (n,), int64."""

    def __len__(self) -> int:
        return len(self._starts)

    def read(self, indices: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """The frames at some indices, I/Q planes of shape (k, 2, 1024), float32."""
        wanted = np.asarray(indices, np.int64)
        frames = np.empty((len(wanted), 2, FRAME_LENGTH), np.float32)
        for row, start in enumerate(self._starts[wanted]):
            iq = frame_at(self._recording, int(start), FRAME_LENGTH)
            frames[row] = iq.real, iq.imag
        return frames

    def batches(self) -> Iterator[Batch]:
        """All frames, class-major, then SNR, then in the recording's order: as in a data set."""
        order = np.lexsort((self.snr_labels, self.class_ids))
        for start in range(0, len(order), _FRAMES_AT_ONCE):
            part = order[start : start + _FRAMES_AT_ONCE]
            yield self.read(part), self.class_ids[part], self.snr_labels[part]


def frame_at(recording: RawRecording, start: int, length: int) -> Samples:
    """A frame's samples; of a real recording with those beside it, which are filtered too.

    Args:
        recording: Where it lies.
        start: Its first sample.
        length: How many it has.

    Returns:
        (length,) complex64.
    """
    margin = _MARGIN if recording.sample_format.is_real else 0
    first = max(start - margin, recording.first_sample)
    end = min(start + length + margin, recording.first_sample + recording.n_samples)
    part = recording.part(first, end - first)
    read = np.concatenate([each.samples for each in part.stretches(length)])
    return read[start - first : start - first + length]


def _frames(
    annotations: Iterable[dict[str, Any]], meta: Path, recording: RawRecording
) -> Iterator[tuple[int, int, int]]:
    """(first sample, class label, SNR label) of every frame."""
    n_left = _MOST_OVERLAP * (recording.n_samples // FRAME_LENGTH + 1)
    for entry in annotations:
        name, snr_label = entry.get(sigmf.LABEL_KEY), entry.get(SNR_KEY)
        if name not in CLASSES or snr_label is None:
            continue
        if snr_label not in SNR_LABELS:
            raise DataFormatError(
                f"{SNR_KEY} in {meta} must be {SNR_LABELS[0]} to {SNR_LABELS[-1]} in steps of "
                f"2 dB, not {snr_label}; leave such annotations out or round them to the grid"
            )
        start = int(entry[sigmf.SAMPLE_START_KEY])
        left = recording.first_sample + recording.n_samples - start
        count = int(entry.get(sigmf.SAMPLE_COUNT_KEY, left))
        if start < recording.first_sample:
            raise DataFormatError(
                f"annotations of {meta} must not begin before sample {recording.first_sample}, its "
                f"core:offset, but one begins at {start}: correct it"
            )
        n_left -= max(0, count // FRAME_LENGTH)
        if n_left < 0 or start + count > recording.first_sample + recording.n_samples:
            raise DataFormatError(
                f"annotations of {meta} must lie within its samples and not more than "
                f"{_MOST_OVERLAP} times on the same ones, which they do not: correct them"
            )
        for frame in range(start, start + count - FRAME_LENGTH + 1, FRAME_LENGTH):
            yield frame, CLASSES.index(name), int(snr_label)
