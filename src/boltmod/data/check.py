"""Is a file a sound data set, and is it RadioML 2018.01A itself?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np

from boltmod.data.class_order import EXPLANATION, is_misleading, read_names
from boltmod.data.layout import RADIOML
from boltmod.data.loader import Batch
from boltmod.data.provenance import plain, title
from boltmod.data.radioml import Indices, RadioMLFile, check_finite, grid_labels
from boltmod.data.statistics import (
    REAL_MEAN_POWER,
    REAL_MEAN_POWER_BY_SNR,
    REAL_SHARE_BEYOND_TWO,
    Statistics,
    gather,
)
from boltmod.modulation import CLASSES, FRAMES_PER_CELL, MISLEADING_ORDER, N_CLASSES, SNR_LABELS
from boltmod.signal.profile import PROFILES

TOLERANCE = 0.01
"""Largest relative difference from a published figure that still counts as agreement.

The published figures have three to five digits; the twin is farther from several of them.
"""

_FRAMES_AT_ONCE = 4096
_POWERFUL = 1.3
"""Mean power above which a class must carry a constant part: OOK, ASK and single sideband."""

_CONSTANT_PART = {"OOK", "4ASK", "8ASK", "AM-SSB-WC", "AM-SSB-SC"}
_CLASS_LISTS = ("classes.txt", "classes.json", "classes-fixed.txt", "classes-fixed.json")


class Origin(StrEnum):
    """Where a data set is from, as far as its layout and statistics tell."""

    REAL = "RadioML 2018.01A itself: its size, its order and its statistics"
    PART = "perhaps a part of RadioML 2018.01A: its statistics, but not its size and order"
    BOLTMOD = "made by boltmod"
    OWN = "a data set of classes or of a frame length of its own"
    UNKNOWN = "cannot be told: too few classes and SNR labels to compare statistics"
    OTHER = "not RadioML 2018.01A: its statistics differ"


@dataclass(frozen=True)
class Check:
    """What looking at every sample of a sound file found.

    Args:
        path: The file.
        n_frames: Frames in it.
        origin: Where it is from.
        notes: What its user should know, a sentence each.
        deviations: Relative difference of each statistic from the real data set's, by name.
        statistics: The statistics.
    """

    path: Path
    n_frames: int
    origin: Origin
    notes: tuple[str, ...]
    deviations: Mapping[str, float]
    statistics: Statistics

    def as_dict(self) -> dict[str, Any]:
        """The check as JSON keeps it."""
        return {
            "path": str(self.path),
            "n_frames": self.n_frames,
            "origin": self.origin.name.lower(),
            "origin_in_words": self.origin.value,
            "notes": list(self.notes),
            "deviations_from_the_real_set": dict(self.deviations),
            "statistics": self.statistics.as_dict(),
        }


def check(path: Path, progress: Callable[[int, int], None] | None = None) -> Check:
    """Look at every label and every sample of a file.

    Args:
        path: A file in RadioML's layout, the real one included.
        progress: Called with (frames done, frames in the file).

    Raises:
        DataFormatError: The file is not sound: see `RadioMLFile`; or a sample is not finite.
    """
    with RadioMLFile(path) as file:
        frames = _all_frames(file, progress)
        statistics = gather(frames, None, file.layout.classes, file.snr_grid)
        differences = deviations(statistics) if file.layout == RADIOML else {}
        return Check(
            path,
            len(file),
            origin(file.class_ids, file.snr_labels, differences, file.attributes)
            if file.layout == RADIOML
            else Origin.OWN,
            tuple(_notes(file, statistics)),
            differences,
            statistics,
        )


def _all_frames(file: RadioMLFile, progress: Callable[[int, int], None] | None) -> Iterator[Batch]:
    for start, samples in file.slices(_FRAMES_AT_ONCE):
        indices = np.arange(start, start + len(samples))
        check_finite(samples, indices, file.path)
        yield samples, file.class_ids[indices], file.snr_labels[indices]
        if progress is not None:
            progress(start + len(samples), len(file))


def deviations(statistics: Statistics) -> dict[str, float]:
    """Relative difference of every statistic from the published one of the real data set.

    A class's statistics are left out where it lacks frames at some SNR label, an SNR label's where
    it lacks frames of some class: they would be means over something else.
    """
    has_frames = statistics.n_frames > 0
    beyond = statistics.share_beyond_two(max(SNR_LABELS))
    power = {n: p for n, p in statistics.mean_power.items() if has_frames[CLASSES.index(n)].all()}
    by_snr = {
        snr: power
        for snr, power in statistics.mean_power_by_snr.items()
        if has_frames[:, SNR_LABELS.index(snr)].all()
    }
    pairs = [
        *((f"mean power of {n}", power.get(n), real) for n, real in REAL_MEAN_POWER.items()),
        *((f"mean power at {s} dB", by_snr.get(s), r) for s, r in REAL_MEAN_POWER_BY_SNR.items()),
        *((f"share of {n} beyond 2", beyond.get(n), r) for n, r in REAL_SHARE_BEYOND_TWO.items()),
    ]
    return {name: here / real - 1 for name, here, real in pairs if here is not None}


def origin(
    class_ids: Indices,
    snr_labels: Indices,
    differences: Mapping[str, float],
    attributes: Mapping[str, Any],
) -> Origin:
    """Where a data set is from.

    Args:
        class_ids: All class labels.
        snr_labels: All SNR labels in dB.
        differences: What `deviations` says.
        attributes: The file's attributes; the real file has none.
    """
    if "boltmod_version" in attributes:
        return Origin.BOLTMOD
    if not differences:
        return Origin.UNKNOWN
    if max(map(abs, differences.values())) > TOLERANCE:
        return Origin.OTHER
    full = grid_labels(FRAMES_PER_CELL)
    is_full = np.array_equal(class_ids, full[0]) and np.array_equal(snr_labels, full[1])
    return Origin.REAL if is_full else Origin.PART


def _notes(file: RadioMLFile, statistics: Statistics) -> Iterator[str]:
    made = plain(file.attributes)
    if "boltmod_version" in made:
        yield (
            f"made by boltmod {made['boltmod_version']}, profile {title(made)}, "
            f"seed {made['seed']}, {made['frames_per_cell']} frames a cell"
        )
    profile = PROFILES.get(str(made.get("profile")))
    if profile is not None and title(made) != profile.title:
        yield (
            f"{title(made)} is not what this version of boltmod makes, which is {profile.title}: "
            "accuracies on the two are not comparable"
        )
    if "shard" in made:
        yield (
            f"part {made['shard']} of {made['n_shards']}: join the parts with `boltmod data merge`"
        )
    n_cells = int(np.count_nonzero(statistics.n_frames))
    if n_cells < statistics.n_frames.size:
        yield f"{n_cells} of {statistics.n_frames.size} (class, SNR) pairs have frames"
    if len(np.unique(statistics.n_frames[statistics.n_frames > 0])) > 1:
        yield "some (class, SNR) pairs have more frames than others"
    order = np.lexsort((file.snr_labels, file.class_ids))
    if not np.array_equal(order, np.arange(len(file))):
        yield (
            "the frames do not lie class by class and SNR by SNR: "
            "the official split of this file is another than the challenge's"
        )
    if not file.is_memory_mapped:
        yield "X is compressed or in chunks: reading at random is slow"
    yield from _class_list_notes(file.path.parent)
    shuffled = label_order(statistics) if file.layout == RADIOML else ""
    if shuffled:
        yield shuffled


def _class_list_notes(folder: Path) -> Iterator[str]:
    for name in _CLASS_LISTS:
        path = folder / name
        if path.is_file() and is_misleading(read_names(path)):
            yield f"the names in {path} are not to be believed: {EXPLANATION}"


def label_order(statistics: Statistics) -> str:
    """What is wrong with the order of the labels, as far as powers tell; empty if nothing is.

    Frames of variance one have more than unit power where the signal carries a constant part: OOK,
    ASK and single sideband. If other labels have it, but just those that these classes get by the
    misleading order, then somebody has followed that list.
    """
    high = np.array(SNR_LABELS) >= 10
    n_frames = statistics.n_frames[:, high].sum(axis=1)
    if not n_frames.all():
        return ""
    power = statistics.power[:, high].sum(axis=1) / n_frames
    powerful = {label for label in range(N_CLASSES) if power[label] > _POWERFUL}
    expected = {CLASSES.index(name) for name in _CONSTANT_PART}
    if powerful == expected or len(powerful) != len(expected):
        return ""
    if powerful == {MISLEADING_ORDER.index(name) for name in _CONSTANT_PART}:
        return (
            "Y follows the order of the data set's own classes.txt instead of the real labels': "
            "reorder its columns to " + ", ".join(CLASSES)
        )
    if powerful == {CLASSES.index(MISLEADING_ORDER[label]) for label in expected}:
        return (
            "Y was renamed by the data set's own classes.txt, which is wrong: "
            "take the labels of the original file"
        )
    names = ", ".join(CLASSES[label] for label in sorted(powerful))
    return (
        f"{names} carry a constant part, which OOK, ASK and AM-SSB should: Y is in some other order"
    )
