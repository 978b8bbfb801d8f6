"""Labelled frames of other layouts as a data set in RadioML 2018.01A's.

Frames of another length are repeated until they fill 1024 samples, as a burst that is too short is
where a recording is classified, or cut into as many pieces as they fill. Or a file's own classes
and lengths stay, for networks of one's own.
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
from boltmod.data.layout import RADIOML, Layout, check_length
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
        meant: Of names that the file has, what they mean: one of the 24 classes, or any name where
            the file's own classes are kept.
    """

    order: tuple[str, ...] = ()
    meant: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str | None, own_classes: bool = False) -> Naming:
        """Read names in the order of their numbers, or NAME=CLASS, with commas between.

        Raises:
            ConfigError: What stands behind a = is none of the 24 classes.
        """
        words = [word.strip() for word in (text or "").split(",") if word.strip()]
        order = tuple(word for word in words if "=" not in word)
        meant: dict[str, str] = {}
        for word in words:
            name, equals, class_name = word.partition("=")
            if own_classes:
                meant |= {name.strip(): class_name.strip()} if equals else {}
                continue
            if equals and known_class(class_name) is None:
                raise ConfigError(
                    f"--classes must say which of the 24 classes {name} is, and {class_name!r} is "
                    f"none: {', '.join(CLASSES)}"
                )
            if equals:
                meant[name.strip()] = str(known_class(class_name))
        return cls(order, meant)


@dataclass(frozen=True)
class Wanted:
    """What a file's frames are to become.

    Args:
        own_classes: Whether the file's own classes stay as they are, and its frames as long as
            they are, scaled to unit complex deviation; else they become RadioML 2018.01A's.
        frame_length: Complex samples of a frame; the file's own number, or RadioML's, if None.
    """

    own_classes: bool = False
    frame_length: int | None = None


RADIOMLS = Wanted()
"""RadioML 2018.01A's classes and frames."""


@dataclass(frozen=True)
class Converted:
    """What has become of a file.

    Args:
        n_frames: Frames that were written.
        n_by_class: How many of each class.
        n_left_out: Frames of classes that are none of the 24, by their name.
        frame_length: Complex samples that a frame had.
        layout: What the data set has.
    """

    n_frames: int
    n_by_class: dict[str, int]
    n_left_out: dict[str, int]
    frame_length: int
    layout: Layout = RADIOML


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
    wanted: Wanted = RADIOMLS,
) -> Converted:
    """Write a file's frames as a data set, by class and SNR.

    Args:
        source: HDF5, MATLAB, `.npz`, a pickle of RadioML 2016, or a folder of recordings.
        target: The HDF5 file to write; whole or not at all.
        naming: What its classes are, where it does not say so itself.
        snr_db: SNR label of all frames, where it has none.
        progress: Called with frames done and frames in all.
        wanted: Which classes and frames it shall have.

    Raises:
        ConfigError: The target exists, or what is told of the classes is missing or wrong.
        DataFormatError: The source cannot be read, or leaves doubts.
    """
    if target.exists():
        raise ConfigError(f"{target} must not exist yet; choose another name, or remove it")
    with reading(source, wanted.frame_length) as foreign:
        order, which = _ordered(foreign, naming or Naming(), source, wanted.own_classes)
        if wanted.own_classes:
            classes, class_ids, left_out = _own_ids(order, which, naming or Naming(), source)
        else:
            classes = CLASSES
            class_ids, left_out = _class_ids(order, which, naming or Naming())
        length = foreign.length if wanted.own_classes else FRAME_LENGTH
        layout = Layout(classes, wanted.frame_length or length)
        check_length(layout.frame_length, source)
        snr_labels = _snr_labels(foreign, snr_db, source, layout)
        kept = np.flatnonzero(class_ids >= 0)
        if not len(kept):
            raise DataFormatError(
                f"{source} must hold one of the 24 classes, and holds none, but "
                f"{', '.join(left_out)}: say what they are with --classes NAME=CLASS"
            )
        kept = kept[np.lexsort((snr_labels[kept], class_ids[kept]))]
        n_pieces = max(1, foreign.length // layout.frame_length)
        labels = (np.repeat(each[kept], n_pieces) for each in (class_ids, snr_labels))
        told = {"source": source.name}
        with RadioMLWriter(target, *labels, layout=layout, attributes=told) as writer:
            for start in range(0, len(kept), _AT_ONCE):
                part = kept[start : start + _AT_ONCE]
                planes = foreign.take(part)
                check_finite(planes, part, source)
                pieces = _of_frame_length(planes, layout.frame_length)
                if layout != RADIOML:
                    pieces = _levelled(pieces)
                writer.write(start * n_pieces, pieces)
                if progress is not None:
                    progress(start + len(part), len(kept))
    counts = np.bincount(class_ids[kept], minlength=len(classes)) * n_pieces
    by_class = {name: int(n) for name, n in zip(classes, counts, strict=True) if n}
    return Converted(len(kept) * n_pieces, by_class, dict(left_out), foreign.length, layout)


def _of_frame_length(planes: NDArray[np.float32], wanted: int) -> NDArray[np.float32]:
    length = planes.shape[2]
    if length < wanted:
        return np.tile(planes, (1, 1, -(-wanted // length)))[:, :, :wanted]
    n_pieces = length // wanted
    pieces = planes[:, :, : n_pieces * wanted].reshape(-1, 2, n_pieces, wanted)
    return np.ascontiguousarray(pieces.transpose(0, 2, 1, 3).reshape(-1, 2, wanted))


def _levelled(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Frames of unit complex deviation, as RadioML 2018.01A's are; constant ones stay."""
    deviation = np.sqrt(planes.astype(np.float64).var(axis=2, keepdims=True).sum(1, keepdims=True))
    return np.asarray(planes / np.where(deviation > 0, deviation, 1.0), np.float32)


def _ordered(
    foreign: Foreign, naming: Naming, source: Path, own_classes: bool
) -> tuple[Sequence[str], NDArray[np.intp]]:
    """A file's class names, and the place of each frame's among them."""
    if foreign.class_names is None:
        return _numbered(foreign, naming, source)
    names, which = np.unique(foreign.class_names, return_inverse=True)
    if not (own_classes and naming.order):
        return [str(name) for name in names], which
    missing = sorted(set(naming.order) - {naming.meant.get(str(e), str(e)) for e in names})
    if missing:
        raise ConfigError(
            f"--classes must name classes of {source}, which are {', '.join(names)}, not "
            f"{missing[0]}"
        )
    return [str(name) for name in names], which


def _own_ids(
    order: Sequence[str], which: NDArray[np.intp], naming: Naming, source: Path
) -> tuple[tuple[str, ...], Ids, Counter[str]]:
    """A file's own classes, each frame's number, and how many frames were not asked for."""
    called = [naming.meant.get(name, name) for name in order]
    classes = naming.order or tuple(dict.fromkeys(called))
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ConfigError(
            f"{source} must have two classes or more, of different names, not "
            f"{', '.join(classes)}: name them with --classes"
        )
    ids = Layout(tuple(called)).numbers_in(classes)
    strange = Counter({called[i]: int((which == i).sum()) for i in range(len(ids)) if ids[i] < 0})
    return classes, ids[which], strange


def _class_ids(
    order: Sequence[str], which: NDArray[np.intp], naming: Naming
) -> tuple[Ids, Counter[str]]:
    """Each frame's label, -1 for what is none of the 24; and how many frames of those there are."""
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


def _snr_labels(foreign: Foreign, snr_db: int | None, source: Path, layout: Layout) -> Ids:
    if foreign.snrs is None and snr_db is None:
        raise ConfigError(
            f"{source} must say each frame's SNR, and does not: give one for all with --snr"
        )
    if foreign.snrs is not None and snr_db is not None:
        raise ConfigError(f"--snr must be left out: {source} says each frame's SNR itself")
    snrs = np.full(len(foreign), snr_db) if foreign.snrs is None else foreign.snrs
    # Cells of whole decibels are what an accuracy is told of; RadioML's are not rounded silently.
    snrs = snrs if layout == RADIOML else np.round(snrs)
    return on_grid(snrs, f"SNRs of {source} must be labels", layout.snr_labels)
