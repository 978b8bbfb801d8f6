"""Labels of frames as people write them, as tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from boltmod.errors import ConfigError
from boltmod.modulation import FIELD_CLASSES

Labels = Tensor | NDArray[Any] | Sequence[str] | Sequence[int] | Sequence[float] | str | int | float
"""One label a frame, or one."""


def as_labels(class_ids: Labels, snr_labels: Labels) -> tuple[Tensor, Tensor]:
    """Return classes and SNR labels as tensors.

    Args:
        class_ids: (n,) numbers or names, or one of them.
        snr_labels: (n,) SNR labels in dB; or one, for all frames.

    Raises:
        ConfigError: A name is none of the classes.
    """
    ids = class_ids if isinstance(class_ids, Tensor) else torch.as_tensor(_numbers(class_ids))
    snrs = snr_labels if isinstance(snr_labels, Tensor) else torch.as_tensor(np.array(snr_labels))
    ids = ids.reshape(-1) if ids.dim() == 0 else ids
    return ids, snrs.expand(ids.shape) if snrs.dim() == 0 else snrs


def _numbers(class_ids: Labels) -> NDArray[Any]:
    given = np.array(class_ids)
    if given.dtype.kind not in "US":
        return given
    for name in given.ravel().tolist():
        if name not in FIELD_CLASSES:
            raise ConfigError(
                f"class_ids must be numbers or among {', '.join(FIELD_CLASSES)}, not {name!r}"
            )
    names = [FIELD_CLASSES.index(name) for name in given.ravel().tolist()]
    return np.array(names, np.int64).reshape(given.shape)
