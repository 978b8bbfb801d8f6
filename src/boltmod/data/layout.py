"""What the frames and labels of a data set are: RadioML 2018.01A's, or somebody's own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import DataFormatError
from boltmod.modulation import CLASSES, FRAME_LENGTH, SNR_LABELS
from boltmod.untrusted import visible

CLASSES_ATTRIBUTE = "boltmod_classes"
"""The HDF5 attribute that says which classes Y's columns are, as a JSON list of names."""

OWN_SNR_LABELS = tuple(range(-100, 101))
"""SNR labels that a data set of own classes may have, in dB."""

_MOST_CLASSES = 4096
_LENGTHS = range(8, (1 << 20) + 1)


@dataclass(frozen=True)
class Layout:
    """What a data set's frames and labels are.

    Args:
        classes: Name of each class number.
        frame_length: Complex samples of a frame.
    """

    classes: tuple[str, ...] = CLASSES
    frame_length: int = FRAME_LENGTH

    @property
    def snr_labels(self) -> tuple[int, ...]:
        """SNR labels that there may be, in dB."""
        return SNR_LABELS if self == RADIOML else OWN_SNR_LABELS

    @property
    def words(self) -> str:
        """It in words, as error messages say it."""
        return f"{len(self.classes)} classes in frames of {self.frame_length} samples"

    def numbers_in(self, others: Sequence[str]) -> NDArray[np.int64]:
        """Which number each of its classes has in another order, -1 where it is not there."""
        number_of = {name: number for number, name in enumerate(others)}
        return np.array([number_of.get(name, -1) for name in self.classes], np.int64)


RADIOML = Layout()
"""RadioML 2018.01A's."""


def parse_classes(value: Any, path: Path) -> tuple[str, ...]:
    """Read the attribute that names a file's classes.

    Raises:
        DataFormatError: It is no JSON list of different names.
    """
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    try:
        names = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        names = None
    is_list = isinstance(names, list) and 2 <= len(names) <= _MOST_CLASSES
    if not is_list or not all(isinstance(name, str) and name for name in names):
        raise DataFormatError(
            f"the attribute {CLASSES_ATTRIBUTE} of {path} must be a JSON list of 2 to "
            f"{_MOST_CLASSES} names, which it is not: write it so"
        )
    found = tuple(visible(name) for name in names)
    if len(set(found)) < len(found):
        raise DataFormatError(f"the classes of {path} must have different names: rename them")
    return found


def check_length(length: int, path: Path) -> None:
    """Refuse frames that are no frames.

    Raises:
        DataFormatError: They are too short or too long.
    """
    if length not in _LENGTHS:
        raise DataFormatError(
            f"frames of {path} must have {_LENGTHS[0]} to {_LENGTHS[-1]:,} samples, not {length}: "
            "cut them otherwise"
        )
