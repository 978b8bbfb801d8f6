"""Labelled frames of other layouts as a data set in RadioML 2018.01A's.

Frames of another length are repeated until they fill 1024 samples, as a burst that is too short is
where a recording is classified, or cut into as many pieces as they fill.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from boltmod.data.foreign import Foreign, reading
from boltmod.data.radioml import check_finite, on_grid
from boltmod.data.radioml_writer import RadioMLWriter
from boltmod.errors import ConfigError, DataFormatError
from boltmod.modulation import CLASSES, FRAME_LENGTH, N_CLASSES

_AT_ONCE = 1024
_NUMBERED = re.compile(r"(?:(\d+)(PSK|QAM|APSK|ASK|PAM)|(PSK|QAM|APSK|ASK|PAM)(\d+))")
_SYNONYMS = {"2PSK": "BPSK", "4PSK": "QPSK", "WBFM": "FM", "NBFM": "FM"}
Ids = NDArray[np.int64]


@dataclass(frozen=True)
class Naming:
    """What somebody says of a file's classes.

    Args:
        order: Name of each class number, from the lowest on.
        meant: Of names that the file has, what they mean: one of the 24 classes.
    """

    order: tuple[str, ...] = ()
    meant: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None) -> Naming:
        """Read names in the order of their numbers, or NAME=CLASS, with commas between.

        Raises:
            ConfigError: What stands behind a = is none of the 24 classes.
        """
        words = [word.strip() for word in (text or "").split(",") if word.strip()]
        order = tuple(word for word in words if "=" not in word)
        meant = {}
        for word in words:
            name, equals, class_name = word.partition("=")
            if equals and known_class(class_name) is None:
                raise ConfigError(
                    f"--classes must say which of the 24 classes {name} is, and {class_name!r} is "
                    f"none: {', '.join(CLASSES)}"
                )
            if equals:
                meant[name.strip()] = str(known_class(class_name))
        return cls(order, meant)


@dataclass(frozen=True)
class Converted:
    """What has become of a file.

    Args:
        n_frames: Frames that were written.
        n_by_class: How many of each class.
        n_left_out: Frames of classes that are none of the 24, by their name.
        frame_length: Complex samples that a frame had.
    """

    n_frames: int
    n_by_class: dict[str, int]
    n_left_out: dict[str, int]
    frame_length: int


def known_class(name: str) -> str | None:
    """Which of the 24 classes a name means, as others spell it: QAM16, qam-16, PAM4, WBFM."""
    word = re.sub("[^A-Z0-9]", "", name.upper())
    if match := _NUMBERED.fullmatch(word):
        order, family = match[1] or match[4], match[2] or match[3]
        word = f"{order}{family.replace('PAM', 'ASK')}"
    word = _SYNONYMS.get(word, word)
    return next((each for each in CLASSES if each.replace("-", "") == word), None)


def convert(
    source: Path,
    target: Path,
    naming: Naming | None = None,
    snr_db: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Converted:
    """Write a file's frames as a data set, by class and SNR.

    Args:
        source: HDF5, MATLAB, `.npz`, or a pickle of RadioML 2016.
        target: The HDF5 file to write; whole or not at all.
        naming: What its classes are, where it does not say so itself.
        snr_db: SNR label of all frames, where it has none.
        progress: Called with frames done and frames in all.

    Raises:
        ConfigError: The target exists, or what is told of the classes is missing or wrong.
        DataFormatError: The source cannot be read, or leaves doubts.
    """
    if target.exists():
        raise ConfigError(f"{target} must not exist yet; choose another name, or remove it")
    with reading(source) as foreign:
        class_ids, left_out = _class_ids(foreign, naming or Naming(), source)
        snr_labels = _snr_labels(foreign, snr_db, source)
        kept = np.flatnonzero(class_ids >= 0)
        if not len(kept):
            raise DataFormatError(
                f"{source} must hold one of the 24 classes, and holds none, but "
                f"{', '.join(left_out)}: say what they are with --classes NAME=CLASS"
            )
        kept = kept[np.lexsort((snr_labels[kept], class_ids[kept]))]
        n_pieces = max(1, foreign.length // FRAME_LENGTH)
        labels = (np.repeat(each[kept], n_pieces) for each in (class_ids, snr_labels))
        with RadioMLWriter(target, *labels, attributes={"source": source.name}) as writer:
            for start in range(0, len(kept), _AT_ONCE):
                part = kept[start : start + _AT_ONCE]
                planes = foreign.take(part)
                check_finite(planes, part, source)
                writer.write(start * n_pieces, _of_frame_length(planes))
                if progress is not None:
                    progress(start + len(part), len(kept))
    counts = np.bincount(class_ids[kept], minlength=N_CLASSES) * n_pieces
    by_class = {name: int(n) for name, n in zip(CLASSES, counts, strict=True) if n}
    return Converted(len(kept) * n_pieces, by_class, dict(left_out), foreign.length)


def _of_frame_length(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    length = planes.shape[2]
    if length < FRAME_LENGTH:
        return np.tile(planes, (1, 1, -(-FRAME_LENGTH // length)))[:, :, :FRAME_LENGTH]
    n_pieces = length // FRAME_LENGTH
    pieces = planes[:, :, : n_pieces * FRAME_LENGTH].reshape(-1, 2, n_pieces, FRAME_LENGTH)
    return np.ascontiguousarray(pieces.transpose(0, 2, 1, 3).reshape(-1, 2, FRAME_LENGTH))


def _class_ids(foreign: Foreign, naming: Naming, source: Path) -> tuple[Ids, Counter[str]]:
    """Each frame's label, -1 for what is none of the 24; and how many frames of those there are."""
    if foreign.class_names is not None:
        names, which = np.unique(foreign.class_names, return_inverse=True)
        order: Sequence[str] = [str(name) for name in names]
    else:
        order, which = _numbered(foreign, naming, source)
    known = [naming.meant.get(name) or known_class(name) for name in order]
    ids = np.array([-1 if name is None else CLASSES.index(name) for name in known], np.int64)
    strange = Counter({order[i]: int((which == i).sum()) for i in range(len(ids)) if ids[i] < 0})
    return ids[which], Counter({name: n for name, n in strange.items() if n})


def _numbered(
    foreign: Foreign, naming: Naming, source: Path
) -> tuple[Sequence[str], NDArray[np.intp]]:
    """Names by their numbers, and each frame's number, from 0."""
    numbers = np.asarray(foreign.class_numbers)
    order, width = naming.order, foreign.width
    if not order:
        is_radioml = width == N_CLASSES or (
            width is None and numbers.min() == 0 and numbers.max() < N_CLASSES
            and len(np.unique(numbers)) == N_CLASSES
        )  # fmt: skip
        if not is_radioml:
            n_classes = width or len(np.unique(numbers))
            raise ConfigError(
                f"--classes must name the {n_classes} classes of {source} in the order of their "
                "numbers, for the file does not say which they are: --classes BPSK,QPSK,..."
            )
        return CLASSES, numbers.astype(np.intp)
    if width is not None and len(order) != width:
        raise ConfigError(
            f"--classes must name the {width} classes of {source}, not {len(order)}: name each"
        )
    # Numbers with a 0 begin there; those that reach the last name, counted from 1, begin at 1.
    first = 0 if width is not None or numbers.min() == 0 else 1
    is_told = width is not None or numbers.min() == 0 or numbers.max() == len(order)
    if numbers.min() < 0 or numbers.max() - first >= len(order) or not is_told:
        raise ConfigError(
            f"--classes must name as many classes as {source} has numbers, and it has "
            f"{numbers.min()} to {numbers.max()} for {len(order)} names: name each, from the "
            "number 0 or 1 on"
        )
    return order, (numbers - first).astype(np.intp)


def _snr_labels(foreign: Foreign, snr_db: int | None, source: Path) -> Ids:
    if foreign.snrs is None and snr_db is None:
        raise ConfigError(
            f"{source} must say each frame's SNR, and does not: give one for all with --snr"
        )
    if foreign.snrs is not None and snr_db is not None:
        raise ConfigError(f"--snr must be left out: {source} says each frame's SNR itself")
    snrs = np.full(len(foreign), snr_db) if foreign.snrs is None else foreign.snrs
    return on_grid(snrs, f"SNRs of {source} must be labels")
