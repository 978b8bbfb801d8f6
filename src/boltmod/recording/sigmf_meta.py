"""What a SigMF recording says of its samples, and what can be done about sayings that are loose.

Metadata that break a rule of the format but leave no doubt are read, and it is noted; what could
mean several things is refused.

Source: SigMF 1.2, github.com/sigmf/SigMF; validated by the `sigmf` package.
"""

from __future__ import annotations

import codecs
import functools
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sigmf
from jsonschema import ValidationError  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
from jsonschema.validators import validator_for  # type: ignore[import-untyped]

from boltmod.errors import ConfigError, DataFormatError
from boltmod.recording.raw import Lanes, Piece, SampleFormat
from boltmod.untrusted import MOST_TEXT_BYTES, read_by, read_bytes

_NEEDED = {
    sigmf.DATATYPE_KEY, sigmf.SAMPLE_RATE_KEY, sigmf.NUM_CHANNELS_KEY, sigmf.DATASET_KEY,
    sigmf.SHA512_KEY, sigmf.TRAILING_BYTES_KEY, sigmf.OFFSET_KEY, sigmf.SAMPLE_START_KEY,
    sigmf.HEADER_BYTES_KEY, sigmf.FREQUENCY_KEY,
}  # fmt: skip
"""What the samples cannot be understood without, where it is given."""
_MOST_DROPPED = 50
_UNTYPED = re.compile(r"[iuf](8|16|32|64)(_le|_be)?")
"""Datatypes as older programs write them, without a word on whether the samples are complex."""
_BYTE_ORDER_MARKS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_WHOLE = {
    sigmf.NUM_CHANNELS_KEY, sigmf.TRAILING_BYTES_KEY, sigmf.OFFSET_KEY, sigmf.SAMPLE_START_KEY,
    sigmf.HEADER_BYTES_KEY, sigmf.SAMPLE_COUNT_KEY,
}  # fmt: skip
_NUMBERS = _WHOLE | {
    sigmf.SAMPLE_RATE_KEY, sigmf.FREQUENCY_KEY, sigmf.FREQ_LOWER_EDGE_KEY,
    sigmf.FREQ_UPPER_EDGE_KEY,
}  # fmt: skip
_BYTE_TYPES = re.compile(r"([cr][iu]8)_(le|be)")


@dataclass(frozen=True)
class Meta:
    """The metadata of a recording.

    Args:
        path: Where they lie.
        document: What they say, valid now.
        notes: What was wrong with them.
        is_typed: Whether they say if the samples are complex or real.
    """

    path: Path
    document: dict[str, Any]
    notes: tuple[str, ...] = ()
    is_typed: bool = True

    @property
    def facts(self) -> dict[str, Any]:
        """What holds for all samples."""
        facts: dict[str, Any] = self.document["global"]
        return facts

    @property
    def captures(self) -> list[dict[str, Any]]:
        """What holds from a sample on."""
        captures: list[dict[str, Any]] = self.document.get("captures", [])
        return captures

    @property
    def sample_format(self) -> SampleFormat:
        """How a sample is stored.

        Raises:
            DataFormatError: In a way that cannot be read.
        """
        datatype = str(self.facts.get(sigmf.DATATYPE_KEY))
        try:
            return SampleFormat.named(datatype)
        except ConfigError:
            known = ", ".join(each.sigmf_datatype for each in SampleFormat)
            raise DataFormatError(
                f"core:datatype of {self.path} must be one of {known}, not {datatype!r}: "
                "convert the recording"
            ) from None

    @property
    def centre_hz(self) -> float | None:
        """The frequency of all captures; None if they have none or several."""
        centres = {capture.get(sigmf.FREQUENCY_KEY) for capture in self.captures}
        return centres.pop() if len(centres) == 1 else None

    @property
    def started(self) -> datetime | None:
        """When the first sample was taken, in UTC; None if nobody says it in ISO 8601."""
        stated = self.captures[0].get(sigmf.DATETIME_KEY) if self.captures else None
        try:
            moment = datetime.fromisoformat(str(stated))
        except ValueError:
            return None
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    @property
    def first_sample(self) -> int:
        """Number of the first sample: above 0 in the continuation of another recording."""
        return int(self.facts.get(sigmf.OFFSET_KEY, 0))

    def lanes(self, channels: tuple[int, ...] | None) -> Lanes | None:
        """What to take of several channels.

        Args:
            channels: The one that is chosen, from 1.

        Raises:
            DataFormatError: There are several, and none is chosen.
            ConfigError: There is no such channel.
        """
        n_channels = int(self.facts.get(sigmf.NUM_CHANNELS_KEY, 1))
        if channels is None and n_channels != 1:
            raise DataFormatError(
                f"{self.path} must describe one channel, not {n_channels}: "
                "choose one with --channels 1"
            )
        if channels is None:
            return None
        if len(channels) != 1 or not 1 <= channels[0] <= n_channels:
            raise ConfigError(
                f"channels must be one of the {n_channels} of {self.path}, from 1, "
                f"not {','.join(map(str, channels))}: choose another one"
            )
        n_components = self.sample_format.n_components
        first = (channels[0] - 1) * n_components
        return Lanes(n_channels * n_components, tuple(range(first, first + n_components)))

    def pieces(self, n_bytes: int, instant_bytes: int) -> tuple[Piece, ...]:
        """Where samples lie among the headers of the captures.

        Args:
            n_bytes: Length of the data.
            instant_bytes: Length of one sample of all channels.
        """
        n_bytes -= self.facts.get(sigmf.TRAILING_BYTES_KEY, 0)
        pieces: list[Piece] = []
        place = 0
        captures = self.captures or [{}]
        for capture, following in zip(captures, [*captures[1:], None], strict=True):
            place += capture.get(sigmf.HEADER_BYTES_KEY, 0)
            length = n_bytes - place
            if following is not None:
                start = capture[sigmf.SAMPLE_START_KEY] if pieces else self.first_sample
                n_samples = following[sigmf.SAMPLE_START_KEY] - start
                length = min(length, n_samples * instant_bytes)
            pieces.append((place, max(0, length)))
            place += max(0, length)
        return _joined(pieces)


def _joined(pieces: list[Piece]) -> tuple[Piece, ...]:
    """Pieces that touch each other as one."""
    joined: list[Piece] = []
    for start, length in pieces:
        if joined and sum(joined[-1]) == start:
            joined[-1] = (joined[-1][0], joined[-1][1] + length)
        elif length or not joined:
            joined.append((start, length))
    return tuple(joined)


def read(path: Path) -> Meta:
    """Read a `.sigmf-meta` file.

    Raises:
        DataFormatError: It is none, or leaves doubts.
    """
    try:
        text = read_bytes(path, MOST_TEXT_BYTES, "SigMF metadata")
    except FileNotFoundError:
        raise DataFormatError(
            f"{path} must lie beside the samples, and does not: "
            "fetch it, or give the sample file's format with --format"
        ) from None
    return parse(text, path)


def parse(text: bytes, path: Path) -> Meta:
    """Read metadata, wherever they lie."""
    with read_by("sigmf", path, "valid SigMF metadata", "check it with sigmf_validate"):
        document = json.loads(text)  # of UTF-8, 16 or 32, with a byte order mark or without
        notes = ["it begins with a byte order mark"] if text.startswith(_BYTE_ORDER_MARKS) else []
        datatype = _text(document, sigmf.DATATYPE_KEY)
        for mend in _MENDS:
            notes += mend(document)
        notes += _without_what_is_wrong(document)
    told = [f"{path.name} is not valid SigMF ({'; '.join(notes)}): it is read all the same"]
    is_typed = datatype is None or not _UNTYPED.fullmatch(datatype)
    return Meta(path, document, tuple(told if notes else []), is_typed)


MOST_RATE_HZ = 1e12
"""Source: SigMF's schema, `core:sample_rate`."""


def check_rate(rate_hz: float | None) -> None:
    """Refuse a sample rate that SigMF has no way to write.

    Raises:
        ConfigError: It is 0, or beyond 10^12 samples a second.
    """
    if rate_hz is not None and not 0 < rate_hz <= MOST_RATE_HZ:
        raise ConfigError(
            f"rate must be above 0 and at most {MOST_RATE_HZ:g} samples a second for SigMF, not "
            f"{rate_hz:g}: write the labels as .jsonl, or correct it"
        )


def checked(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """Metadata that are to be written, once the `sigmf` package has found nothing wrong.

    Raises:
        DataFormatError: It has: what was there already is not what it should be.
    """
    with read_by("sigmf", path, "valid SigMF metadata", "correct those of the recording"):
        sigmf.SigMFFile(document).validate()
    return document


def _text(document: Any, key: str) -> str | None:
    facts = document.get("global") if isinstance(document, dict) else None
    value = facts.get(key) if isinstance(facts, dict) else None
    return value if isinstance(value, str) else None


def _mend_datatype(document: Any) -> list[str]:
    datatype = _text(document, sigmf.DATATYPE_KEY)
    if datatype is None:
        return []
    if match := _BYTE_TYPES.fullmatch(datatype):
        document["global"][sigmf.DATATYPE_KEY] = match[1]
        return [f"{datatype} for {match[1]}"]
    if _UNTYPED.fullmatch(datatype):
        document["global"][sigmf.DATATYPE_KEY] = mended = f"c{datatype}"
        return [f"{datatype} for {mended} or r{datatype}"]
    try:
        known = SampleFormat.named(datatype.lower())
    except ConfigError:
        return []
    if datatype in (known.label, known.sigmf_datatype):
        return []
    document["global"][sigmf.DATATYPE_KEY] = known.sigmf_datatype
    return [f"{datatype} for {known.sigmf_datatype}"]


def _mend_numbers(document: Any) -> list[str]:
    """Numbers as text, whole ones as floats, and what is said to be nothing."""
    if not isinstance(document, dict):
        return []
    notes: list[str] = []
    for part in ("global", "captures", "annotations"):
        content = document.get(part)
        if part == "captures" and isinstance(content, dict):
            content = document[part] = [content]
            notes.append("its captures are no list")
        for facts in content if isinstance(content, list) else [content]:
            notes += _mend_facts(facts) if isinstance(facts, dict) else []
    return list(dict.fromkeys(notes))


def _mend_facts(facts: dict[str, Any]) -> list[str]:
    notes: list[str] = []
    for key in [key for key, value in facts.items() if key.startswith("core:") and value is None]:
        del facts[key]
        notes.append(f"its {key} is null")
    for key in _NUMBERS & facts.keys():
        if isinstance(facts[key], str):
            facts[key] = float(facts[key])
            name = "sample rate" if key == sigmf.SAMPLE_RATE_KEY else key
            notes.append(f"its {name} is a text")
        if key in _WHOLE and isinstance(facts[key], float) and facts[key].is_integer():
            facts[key] = int(facts[key])
    if facts.get(sigmf.SHA512_KEY) == "":
        del facts[sigmf.SHA512_KEY]
        notes.append("its checksum is empty")
    return notes


def _mend_version(document: Any) -> list[str]:
    # Only metadata that tell what the samples are: anything else is no SigMF.
    if _text(document, sigmf.DATATYPE_KEY) is None or _text(document, sigmf.VERSION_KEY):
        return []
    document["global"][sigmf.VERSION_KEY] = sigmf.__specification__
    return ["it does not say which version"]


def _mend_lists(document: Any) -> list[str]:
    if _text(document, sigmf.DATATYPE_KEY) is None:
        return []
    missing = [name for name in ("captures", "annotations") if document.get(name) is None]
    document |= {name: [] for name in missing}
    notes = [f"it has no {name}" for name in missing]
    captures = document["captures"]
    if not isinstance(captures, list) or not all(isinstance(each, dict) for each in captures):
        return notes
    if captures and sigmf.SAMPLE_START_KEY not in (first := captures[0]):
        first[sigmf.SAMPLE_START_KEY] = document["global"].get(sigmf.OFFSET_KEY, 0)
        notes.append("its first capture does not say where it begins")
    starts = [each.get(sigmf.SAMPLE_START_KEY) for each in captures]
    if all(isinstance(each, int) for each in starts) and starts != sorted(starts):
        captures.sort(key=lambda capture: capture[sigmf.SAMPLE_START_KEY])
        notes.append("its captures are not in order")
    return notes


_MENDS: tuple[Callable[[Any], list[str]], ...] = (
    _mend_datatype, _mend_numbers, _mend_version, _mend_lists,
)  # fmt: skip


def _without_what_is_wrong(document: Any) -> list[str]:
    """Leave out what breaks a rule and is not needed; what breaks a rule and is, is raised."""
    notes: list[str] = []
    for _ in range(_MOST_DROPPED):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                _check(document)
        except ValidationError as error:
            notes.append(_leave_out(document, error))
        else:
            break
    return notes


def _check(document: Any) -> None:
    """What `sigmf.validate.validate` does, but for checking SigMF's schema itself every time.

    Raises:
        ValidationError: A rule is broken.
    """
    error = best_match(_schema().iter_errors(document))
    if error is not None:
        raise error
    sigmf.validate.validate(document, {})  # the rules that no schema says


@functools.cache
def _schema() -> Any:
    schema = sigmf.schema.get_schema()
    return validator_for(schema)(schema)


def _leave_out(document: Any, error: ValidationError) -> str:
    place = list(error.absolute_path)
    parent, key = document, None
    if place[:1] == ["annotations"]:
        key = "annotations"
        parent[key] = []
        return "its annotations break a rule and are not read"
    while place:
        key = place.pop(0)
        if key in ("global", "captures") or isinstance(key, int):
            parent = parent[key]
            continue
        break
    if not isinstance(parent, dict) or key is None or key in _NEEDED or key not in parent:
        raise error
    del parent[key]
    return f"its {key} breaks a rule"
