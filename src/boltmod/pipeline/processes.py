"""One training in several processes, by Lightning Fabric.

The first process starts the others with its own command line; each sees its share of every batch,
and their gradients are averaged. Only the first one writes and speaks.
"""

from __future__ import annotations

import os
import warnings

from lightning_fabric import Fabric


def is_first() -> bool:
    """Whether this process is not one that another process started to train with."""
    return os.environ.get("LOCAL_RANK", "0") == "0" and os.environ.get("RANK", "0") == "0"


def open_fabric(processes: int = 1, precision: str = "32-true") -> Fabric:
    """Return the devices to train on, the other processes started on the first call.

    Args:
        processes: How many train together: one a GPU where there are GPUs, else CPU processes.
        precision: Arithmetic, in Lightning Fabric's words.
    """
    # Channel-by-channel layouts make gradients whose strides are not the buckets': harmless.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    fabric = Fabric(
        accelerator="auto",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]
    )
    fabric.launch()
    return fabric
