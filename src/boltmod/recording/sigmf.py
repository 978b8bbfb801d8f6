"""SigMF recordings: samples in a `.sigmf-data` file, what they are in a `.sigmf-meta` file.

Source: SigMF 1.2, github.com/sigmf/SigMF; read and validated by the `sigmf` package.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

import numpy as np
import sigmf

from boltmod import __version__
from boltmod.errors import DataFormatError
from boltmod.files import replacing
from boltmod.recording import iq_or_real, sigmf_meta
from boltmod.recording.file_names import DATA_SUFFIX as DATA_SUFFIX
from boltmod.recording.file_names import META_SUFFIX as META_SUFFIX
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.recording.sigmf_meta import Meta

_PROBABILITY_KEY = "boltmod:probability"
_BLOCK_BYTES = 1 << 20
"""Read at once; so many of samples that metadata do not describe well tell what they are."""


@dataclass(frozen=True)
class Annotation:
    """A statement about some samples of a recording.

    Args:
        sample_start: First sample it is about.
        sample_count: Number of samples it is about.
        label: What they are.
        probability: How sure that is, 0 to 1; None if nobody says.
        comment: Anything else.
        lower_edge_hz: Where the signal's band begins; None, like the upper edge, if nobody says.
        upper_edge_hz: Where it ends.
        author: What says so, behind boltmod's own name.
        details: Fields of extensions, by their whole keys.
    """

    sample_start: int
    sample_count: int
    label: str
    probability: float | None = None
    comment: str | None = None
    lower_edge_hz: float | None = None
    upper_edge_hz: float | None = None
    author: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The annotation in SigMF's own keys."""
        entry: dict[str, Any] = {
            sigmf.SAMPLE_START_KEY: self.sample_start,
            sigmf.SAMPLE_COUNT_KEY: self.sample_count,
            sigmf.LABEL_KEY: self.label,
            sigmf.GENERATOR_KEY: f"boltmod {__version__}" + f": {self.author}" * bool(self.author),
        } | self.details
        if self.probability is not None:
            entry[_PROBABILITY_KEY] = round(self.probability, 6)
        if self.lower_edge_hz is not None and self.upper_edge_hz is not None:
            entry[sigmf.FREQ_LOWER_EDGE_KEY] = self.lower_edge_hz
            entry[sigmf.FREQ_UPPER_EDGE_KEY] = self.upper_edge_hz
        if self.comment is not None:
            entry[sigmf.COMMENT_KEY] = self.comment
        return entry


@dataclass(frozen=True)
class Data:
    """A part of a file: the samples of a recording and whatever stands among them, for one.

    Args:
        path: The file.
        offset: First byte.
        size: Bytes.
        opened: Opens the file, if that is compressed.
    """

    path: Path
    offset: int
    size: int
    opened: Callable[[Path], IO[bytes]] | None = None

    def blocks(self) -> Iterator[bytes]:
        """Its content, piece by piece."""
        left = self.size
        with self.path.open("rb") if self.opened is None else self.opened(self.path) as file:
            file.seek(self.offset)
            while left and (block := file.read(min(left, _BLOCK_BYTES))):
                yield block
                left -= len(block)

    def has_sha512(self, stated: str | None) -> bool:
        """Whether its checksum is the one that is stated, if one is."""
        if stated is None:
            return True
        digest = hashlib.sha512()
        for block in self.blocks():
            digest.update(block)
        return digest.hexdigest() == stated.lower()


def open_sigmf(path: Path, channels: tuple[int, ...] | None = None) -> RawRecording:
    """Open a SigMF recording for reading.

    Args:
        path: Its `.sigmf-meta` or its `.sigmf-data` file.
        channels: Of several channels the one to read, from 1.

    Raises:
        DataFormatError: A file is missing, the metadata leave doubts, the length or the checksum
            is wrong, or there are several channels and none is chosen.
        ConfigError: There is no such channel.
    """
    meta = sigmf_meta.read(path.with_suffix(META_SUFFIX))
    meta.lanes(channels)
    data_path = _data_path(meta)
    n_bytes = data_path.stat().st_size
    if not n_bytes:
        raise DataFormatError(f"{data_path} must hold samples, and is empty: record again")
    data = Data(data_path, 0, n_bytes)
    if not data.has_sha512(meta.facts.get(sigmf.SHA512_KEY)):
        raise _mismatch(data_path, meta, "Calculated file hash does not match associated metadata")
    recording = recording_of(meta, data, channels)
    last = max((_end(each) for each in meta.document["annotations"]), default=0)
    if last > recording.first_sample + recording.n_samples:
        raise _mismatch(data_path, meta, "it ends before the last annotation does")
    return replace(recording, meta_path=meta.path)


def recording_of(meta: Meta, data: Data, channels: tuple[int, ...] | None) -> RawRecording:
    """The recording that metadata and samples make.

    Raises:
        DataFormatError: They do not fit together.
    """
    sample_format, notes = _true_format(meta, data)
    lanes = meta.lanes(channels)
    instant_bytes = sample_format.sample_bytes
    if lanes is not None:
        instant_bytes = lanes.n_stored * sample_format.component_bytes
    pieces = meta.pieces(data.size, instant_bytes)
    if sum(length for _, length in pieces) % instant_bytes:
        reason = (
            "Data source does not contain an integer number of samples across channels, "
            "it may be invalid"
        )
        raise _mismatch(data.path, meta, reason)
    pieces = tuple((data.offset + start, length) for start, length in pieces)
    return RawRecording(
        data.path,
        sample_format,
        meta.facts.get(sigmf.SAMPLE_RATE_KEY),
        offset_bytes=pieces[0][0],
        n_bytes=pieces[0][1],
        centre_hz=meta.centre_hz,
        pieces=pieces if len(pieces) > 1 else (),
        lanes=lanes,
        first_sample=meta.first_sample,
        notes=(*meta.notes, *notes),
        opened=data.opened,
        started=meta.started,
    )


def _true_format(meta: Meta, data: Data) -> tuple[SampleFormat, tuple[str, ...]]:
    """What the metadata say, unless the samples plainly say something else."""
    stated = meta.sample_format
    if meta.is_typed and stated is not SampleFormat.CF64:
        return stated, ()
    content = next(data.blocks(), b"")
    if stated is SampleFormat.CF64 and _are_floats_of_32_bits(content):
        note = f"{data.path.name} holds cf32 samples where {meta.path.name} says cf64: read as cf32"
        return SampleFormat.CF32, (note,)
    if not meta.is_typed and iq_or_real.of_content(content, stated.real):
        return stated.real, (f"{data.path.name} is read as real samples, as its samples say",)
    return stated, ()


def _are_floats_of_32_bits(content: bytes) -> bool:
    """Whether the lower halves of what should be 64 bit floats are 32 bit ones.

    The lower half of a 64 bit float is the end of its mantissa: zero, or of any size as a float.
    """
    lower = np.abs(np.frombuffer(content[: len(content) // 8 * 8], "<f4")[::2])
    with np.errstate(invalid="ignore"):
        used = lower[lower != 0]
        usual = (used > 1e-12) & (used < 1e6)
    return len(used) > len(lower) / 2 and bool(usual.mean() > 0.99)


def _end(annotation: dict[str, Any]) -> int:
    return int(annotation[sigmf.SAMPLE_START_KEY]) + int(annotation.get(sigmf.SAMPLE_COUNT_KEY, 0))


def _mismatch(data_path: Path, meta: Meta, reason: str) -> DataFormatError:
    return DataFormatError(
        f"{data_path} must be what {meta.path.name} says, which it is not ({reason}): "
        "fetch both files again"
    )


def write_annotations(
    path: Path,
    recording: RawRecording,
    annotations: Sequence[Annotation],
    description: str,
    extensions: Sequence[dict[str, Any]] = (),
) -> None:
    """Write a `.sigmf-meta` file that says what a recording holds.

    What a SigMF recording's own metadata say is kept, its annotations among it but for those that
    a classifier of boltmod's left. The file points at the samples if it lies in their folder;
    elsewhere it says that it is metadata only.

    Args:
        path: The file to write, ending in `.sigmf-meta`; whole or not at all.
        recording: The samples.
        annotations: What is to be said.
        description: Free text about who says so.
        extensions: Entries for the extensions that the annotations use.
    """
    if recording.sample_format in (SampleFormat.CI24, SampleFormat.RI24):
        raise DataFormatError(
            f"{recording.path} must hold samples of a type that SigMF has, not of 24 bits: "
            "convert it, or write the labels as .jsonl"
        )
    sigmf_meta.check_rate(recording.rate_hz)
    if recording.meta_path is not None:
        meta = sigmf_meta.read(recording.meta_path).document
    else:
        meta = {"global": {}, "captures": _captures(recording), "annotations": []}
    facts = meta["global"]
    facts.setdefault(sigmf.DESCRIPTION_KEY, description)
    facts.setdefault(sigmf.VERSION_KEY, sigmf.__specification__)
    facts[sigmf.DATATYPE_KEY] = recording.sample_format.sigmf_datatype
    if recording.rate_hz is not None:
        facts[sigmf.SAMPLE_RATE_KEY] = recording.rate_hz
    if recording.first_sample:
        facts[sigmf.OFFSET_KEY] = recording.first_sample
    if recording.lanes is not None:
        n_components = recording.sample_format.n_components
        facts[sigmf.NUM_CHANNELS_KEY] = recording.lanes.n_stored // n_components
    _point_at_samples(facts, path, recording)
    own = [{"name": "boltmod", "version": __version__, "optional": True}, *extensions]
    names = {each["name"] for each in own}
    others = [e for e in facts.get(sigmf.EXTENSIONS_KEY, []) if e.get("name") not in names]
    facts[sigmf.EXTENSIONS_KEY] = [*others, *own]
    kept = [each for each in meta.get("annotations", []) if _PROBABILITY_KEY not in each]
    entries = [*kept, *(each.as_dict() for each in annotations)]
    meta["annotations"] = sorted(entries, key=lambda entry: entry[sigmf.SAMPLE_START_KEY])
    sigmf_meta.checked(meta, path)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(meta, indent=2) + "\n")


def _point_at_samples(facts: dict[str, Any], path: Path, recording: RawRecording) -> None:
    # Samples that are compressed are no sample file to SigMF.
    beside = recording.opened is None
    beside = beside and path.resolve().parent == recording.path.resolve().parent
    conforming = beside and recording.path == path.with_suffix(DATA_SUFFIX)
    facts.pop(sigmf.DATASET_KEY, None)
    if beside and not conforming:
        facts[sigmf.DATASET_KEY] = recording.path.name
        facts.pop(sigmf.METADATA_ONLY_KEY, None)
    if not beside:
        facts[sigmf.METADATA_ONLY_KEY] = True
    behind = 0 if recording.opened is not None else recording.n_trailing_bytes
    if behind and beside:
        facts[sigmf.TRAILING_BYTES_KEY] = behind


def _captures(recording: RawRecording) -> list[dict[str, Any]]:
    """A capture for each piece of the file that holds samples, and what is known of them all."""
    captures, start, end = [], recording.first_sample, 0
    for offset, n_samples in recording.places:
        capture: dict[str, Any] = {sigmf.SAMPLE_START_KEY: start}
        if recording.centre_hz is not None:
            capture[sigmf.FREQUENCY_KEY] = recording.centre_hz
        if recording.started is not None and (start == recording.first_sample or recording.rate_hz):
            later_s = (start - recording.first_sample) / (recording.rate_hz or 1.0)
            moment = recording.started + timedelta(seconds=later_s)
            text = moment.replace(tzinfo=None).isoformat(timespec="microseconds")
            capture[sigmf.DATETIME_KEY] = text + "Z"
        if offset > end and recording.opened is None:
            capture[sigmf.HEADER_BYTES_KEY] = offset - end
        captures.append(capture)
        start += n_samples
        end = offset + n_samples * recording.instant_bytes
    return captures


def _data_path(meta: Meta) -> Path:
    meta_path = meta.path
    name = meta.facts.get(sigmf.DATASET_KEY) or meta_path.with_suffix(DATA_SUFFIX).name
    if name != Path(name).name:
        raise DataFormatError(
            f"core:dataset of {meta_path} must be the name of a file beside it, not {name!r}: "
            "move the sample file there"
        )
    path = meta_path.with_name(name)
    if not path.is_file():
        raise DataFormatError(f"{path} must lie beside {meta_path.name}, and does not: fetch it")
    return path
