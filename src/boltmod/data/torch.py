"""A data set file for `torch.utils.data.DataLoader`, in as many workers as wanted.

The file is opened anew in each process, so that workers that are spawned, forked or sent over a
network all read for themselves; what travels to them is the file's name and the chosen indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import Dataset

from boltmod.data.radioml import RadioMLFile
from boltmod.data.split import official_split

Item = tuple[torch.Tensor, int, int]


class RadioMLDataset(Dataset[Item]):
    """Frames of a file in RadioML's layout, with their classes and SNR labels.

    An item is (I/Q planes, (2, length) float32, plane 0 = I; class id; SNR label in dB). The
    loader's own batching makes (n, 2, length), (n,), (n,) of them, read in one piece.

    Args:
        path: The file.
        split: Which part of the challenge's split; `all` is the whole file.
        minimum_snr: Lowest SNR label taken, in dB.

    Raises:
        DataFormatError: The file is not in RadioML's layout.

    Examples:
        >>> import boltmod
        >>> data = boltmod.RadioMLDataset("twin.hdf5", "all", minimum_snr=30)
        >>> planes, class_id, snr_label = data[0]
        >>> tuple(planes.shape), class_id, snr_label
        ((2, 1024), 0, 30)
    """

    def __init__(
        self,
        path: Path | str,
        split: Literal["train", "test", "all"] = "train",
        minimum_snr: int = -20,
    ) -> None:
        self._path = Path(path).resolve()
        self._file: RadioMLFile | None = None
        with RadioMLFile(self._path) as file:
            self.classes = file.layout.classes
            """Name of each class id."""
            parts = official_split(file.class_ids, file.snr_labels)
            chosen = {
                "train": parts.train, "test": parts.test, "all": np.arange(len(file)),
            }[split]  # fmt: skip
            self._indices = np.sort(chosen[file.snr_labels[chosen] >= minimum_snr])
            self._class_ids = file.class_ids[self._indices]
            self._snr_labels = file.snr_labels[self._indices]

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, place: int) -> Item:
        return self.__getitems__([place])[0]

    def __getitems__(self, places: Sequence[int]) -> list[Item]:
        """Read several at once, as the loader asks for a batch."""
        if self._file is None:
            self._file = RadioMLFile(self._path)
        chosen = np.asarray(places, np.int64)
        planes = torch.from_numpy(self._file.read(self._indices[chosen]))
        ids, snr_labels = self._class_ids[chosen].tolist(), self._snr_labels[chosen].tolist()
        return list(zip(planes, ids, snr_labels, strict=True))

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}
