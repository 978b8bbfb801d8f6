"""SigMF recordings: samples in a `.sigmf-data` file, what they are in a `.sigmf-meta` file.

Source: SigMF 1.2, github.com/sigmf/SigMF; read and validated by the `sigmf` package.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sigmf
from jsonschema import ValidationError  # type: ignore[import-untyped]
from sigmf.error import SigMFError

from boltmod import __version__
from boltmod.errors import ConfigError, DataFormatError
from boltmod.files import replacing
from boltmod.recording.file_names import DATA_SUFFIX as DATA_SUFFIX
from boltmod.recording.file_names import META_SUFFIX as META_SUFFIX
from boltmod.recording.raw import RawRecording, SampleFormat

_HASH_BLOCK_BYTES = 1 << 20


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
    """

    sample_start: int
    sample_count: int
    label: str
    probability: float | None = None
    comment: str | None = None
    lower_edge_hz: float | None = None
    upper_edge_hz: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The annotation in SigMF's own keys."""
        entry: dict[str, Any] = {
            sigmf.SAMPLE_START_KEY: self.sample_start,
            sigmf.SAMPLE_COUNT_KEY: self.sample_count,
            sigmf.LABEL_KEY: self.label,
            sigmf.GENERATOR_KEY: f"boltmod {__version__}",
        }
        if self.probability is not None:
            entry["boltmod:probability"] = round(self.probability, 6)
        if self.lower_edge_hz is not None and self.upper_edge_hz is not None:
            entry[sigmf.FREQ_LOWER_EDGE_KEY] = self.lower_edge_hz
            entry[sigmf.FREQ_UPPER_EDGE_KEY] = self.upper_edge_hz
        if self.comment is not None:
            entry[sigmf.COMMENT_KEY] = self.comment
        return entry


def open_sigmf(path: Path) -> RawRecording:
    """Open a SigMF recording for reading.

    Args:
        path: Its `.sigmf-meta` or its `.sigmf-data` file.

    Raises:
        DataFormatError: A file is missing, the metadata break SigMF's rules, the length or the
            checksum is wrong, or the samples are not complex or of several channels.
    """
    meta_path = path.with_suffix(META_SUFFIX)
    meta = _read_meta(meta_path)
    sample_format = _sample_format(meta, meta_path)
    data_path = _data_path(meta_path, meta)
    file = _open(meta_path, meta, data_path)
    return RawRecording(
        data_path,
        sample_format,
        meta["global"].get(sigmf.SAMPLE_RATE_KEY),
        offset_bytes=_header_bytes(meta, data_path),
        n_bytes=file.sample_count * sample_format.sample_bytes,
        centre_hz=_centre_hz(meta),
    )


def open_archive(path: Path) -> RawRecording:
    """Open a SigMF archive, a tar file of one recording, without unpacking it.

    Raises:
        DataFormatError: It is no tar file, holds none or several recordings, or the recording in
            it is refused as `open_sigmf` would.
    """
    try:
        with tarfile.open(path, "r:") as archive:
            members = {member.name: member for member in archive if member.isfile()}
            meta_names = [name for name in members if name.endswith(META_SUFFIX)]
            if len(meta_names) != 1:
                raise DataFormatError(
                    f"{path} must hold one recording, not {len(meta_names)}: "
                    f"unpack it with tar -xf {path.name}"
                )
            file = archive.extractfile(members[meta_names[0]])
            text = b"" if file is None else file.read()
    except (tarfile.TarError, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataFormatError(
            f"{path} must be a SigMF archive, an uncompressed tar file, which it is not "
            f"({reason}): fetch it again"
        ) from None
    meta_path = path / meta_names[0]
    meta = _check_meta(text, meta_path)
    data = members.get(meta_names[0].removesuffix(META_SUFFIX) + DATA_SUFFIX)
    if data is None:
        raise DataFormatError(f"{path} must hold the samples too, and does not: archive both files")
    sample_format = _sample_format(meta, meta_path)
    header_bytes = _header_bytes(meta, path / data.name)
    n_bytes = data.size - header_bytes - meta["global"].get(sigmf.TRAILING_BYTES_KEY, 0)
    recording = RawRecording(
        path,
        sample_format,
        meta["global"].get(sigmf.SAMPLE_RATE_KEY),
        offset_bytes=data.offset_data + header_bytes,
        n_bytes=max(0, n_bytes),
        centre_hz=_centre_hz(meta),
    )
    _check_hash(path, data, meta["global"].get(sigmf.SHA512_KEY))
    return recording


def _check_hash(path: Path, data: tarfile.TarInfo, stated: str | None) -> None:
    if stated is None:
        return
    digest = hashlib.sha512()
    left = data.size
    with path.open("rb") as file:
        file.seek(data.offset_data)
        while left and (block := file.read(min(left, _HASH_BLOCK_BYTES))):
            digest.update(block)
            left -= len(block)
    if digest.hexdigest() != stated.lower():
        raise DataFormatError(
            f"{path} must hold the samples that its metadata's checksum names, and holds others: "
            "fetch it again"
        )


def _sample_format(meta: dict[str, Any], meta_path: Path) -> SampleFormat:
    """The sample format of a recording of one channel."""
    n_channels = meta["global"].get(sigmf.NUM_CHANNELS_KEY, 1)
    if n_channels != 1:
        raise DataFormatError(
            f"{meta_path} must describe one channel, not {n_channels}: "
            "write each channel as a recording of its own"
        )
    datatype = str(meta["global"].get(sigmf.DATATYPE_KEY))
    try:
        return SampleFormat.named(datatype)
    except ConfigError:
        known = ", ".join(each.sigmf_datatype for each in SampleFormat)
        raise DataFormatError(
            f"core:datatype of {meta_path} must be one of {known}, not {datatype!r}: "
            "convert the recording"
        ) from None


def _header_bytes(meta: dict[str, Any], data_path: Path) -> int:
    header_bytes = [c.get(sigmf.HEADER_BYTES_KEY, 0) for c in meta.get("captures", [])]
    if any(header_bytes[1:]):
        raise DataFormatError(
            f"{data_path} must hold its samples in one piece, not with headers between captures: "
            "write each capture as a recording of its own"
        )
    return sum(header_bytes)


def _centre_hz(meta: dict[str, Any]) -> float | None:
    """The frequency of all captures; None if they have none or several."""
    centres = {capture.get(sigmf.FREQUENCY_KEY) for capture in meta.get("captures", [])}
    return centres.pop() if len(centres) == 1 else None


def write_annotations(
    path: Path, recording: RawRecording, annotations: Sequence[Annotation], description: str
) -> None:
    """Write a `.sigmf-meta` file that says what a recording holds.

    What a SigMF recording's own metadata say is kept, its annotations among it. The file points at
    the samples if it lies in their folder; elsewhere it says that it is metadata only.

    Args:
        path: The file to write, ending in `.sigmf-meta`; whole or not at all.
        recording: The samples.
        annotations: What is to be said.
        description: Free text about who says so.
    """
    if recording.sample_format in (SampleFormat.CI24, SampleFormat.RI24):
        raise DataFormatError(
            f"{recording.path} must hold samples of a type that SigMF has, not of 24 bits: "
            "convert it, or write the labels as .jsonl"
        )
    own_meta = recording.path.with_suffix(META_SUFFIX)
    if recording.path.suffix == DATA_SUFFIX and own_meta.is_file():
        meta = _read_meta(own_meta)
    else:
        meta = {"global": {}, "captures": [{sigmf.SAMPLE_START_KEY: 0}], "annotations": []}
    facts = meta["global"]
    facts.setdefault(sigmf.DESCRIPTION_KEY, description)
    facts.setdefault(sigmf.VERSION_KEY, sigmf.__specification__)
    facts[sigmf.DATATYPE_KEY] = recording.sample_format.sigmf_datatype
    if recording.rate_hz is not None:
        facts[sigmf.SAMPLE_RATE_KEY] = recording.rate_hz
    _point_at_samples(facts, meta, path, recording)
    others = [e for e in facts.get(sigmf.EXTENSIONS_KEY, []) if e.get("name") != "boltmod"]
    own = {"name": "boltmod", "version": __version__, "optional": True}
    facts[sigmf.EXTENSIONS_KEY] = [*others, own]
    entries = [*meta.get("annotations", []), *(each.as_dict() for each in annotations)]
    meta["annotations"] = sorted(entries, key=lambda entry: entry[sigmf.SAMPLE_START_KEY])
    sigmf.SigMFFile(meta).validate()
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(meta, indent=2) + "\n")


def _point_at_samples(
    facts: dict[str, Any], meta: dict[str, Any], path: Path, recording: RawRecording
) -> None:
    beside = path.resolve().parent == recording.path.resolve().parent
    conforming = beside and recording.path == path.with_suffix(DATA_SUFFIX)
    facts.pop(sigmf.DATASET_KEY, None)
    if beside and not conforming:
        facts[sigmf.DATASET_KEY] = recording.path.name
    if not beside:
        facts[sigmf.METADATA_ONLY_KEY] = True
    if recording.offset_bytes:
        meta["captures"][0][sigmf.HEADER_BYTES_KEY] = recording.offset_bytes


def _read_meta(meta_path: Path) -> dict[str, Any]:
    try:
        text = meta_path.read_bytes()
    except FileNotFoundError:
        raise DataFormatError(
            f"{meta_path} must lie beside the samples, and does not: "
            "fetch it, or give the sample file's format with --format"
        ) from None
    return _check_meta(text, meta_path)


def _check_meta(text: bytes, meta_path: Path) -> dict[str, Any]:
    try:
        meta = json.loads(text.decode("utf-8"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            sigmf.validate.validate(meta)
    except (ValueError, OSError, RecursionError, SigMFError, ValidationError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataFormatError(
            f"{meta_path} must be valid SigMF metadata, which it is not ({reason}): "
            "check it with sigmf_validate"
        ) from None
    checked: dict[str, Any] = meta
    return checked


def _data_path(meta_path: Path, meta: dict[str, Any]) -> Path:
    name = meta["global"].get(sigmf.DATASET_KEY) or meta_path.with_suffix(DATA_SUFFIX).name
    if name != Path(name).name:
        raise DataFormatError(
            f"core:dataset of {meta_path} must be the name of a file beside it, not {name!r}: "
            "move the sample file there"
        )
    path = meta_path.with_name(name)
    if not path.is_file():
        raise DataFormatError(f"{path} must lie beside {meta_path.name}, and does not: fetch it")
    return path


def _open(meta_path: Path, meta: dict[str, Any], data_path: Path) -> Any:
    if not data_path.stat().st_size:
        raise DataFormatError(f"{data_path} must hold samples, and is empty: record again")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return sigmf.SigMFFile(meta, data_file=data_path)
    except (SigMFError, UserWarning, ValueError) as error:
        reason = str(error).strip().rstrip(".").splitlines()[0]
        raise DataFormatError(
            f"{data_path} must be what {meta_path.name} says, which it is not ({reason}): "
            "fetch both files again"
        ) from None
