"""The `.pth` checkpoint of a submission: a state dict, written plainly and read without trust."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from boltmod.challenge.archive import Archive
from boltmod.errors import CheckpointError, DataFormatError, first_line
from boltmod.untrusted import read_by


def dump(tensors: Mapping[str, Tensor]) -> bytes:
    """Write a state dict as `torch.load(..., weights_only=True)` reads it."""
    buffer = io.BytesIO()
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    torch.save(plain, buffer)
    return buffer.getvalue()


def parse(content: bytes, name: str) -> dict[str, Tensor]:
    """Read a state dict; no code in the file is run.

    Args:
        content: The file's bytes.
        name: Its name, in error messages.

    Raises:
        CheckpointError: It is no state dict of tensors, or holds anything else.
    """
    try:
        Archive(Path(name), content)
        with read_by("torch", Path(name), "a state dict", "save it so"):
            document: Any = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except DataFormatError as error:
        raise CheckpointError(
            f"{name} must be a state dict that torch.load(weights_only=True) reads, which fails "
            f"({first_line(error)}): save network.state_dict() with torch.save"
        ) from None
    if isinstance(document, dict) and isinstance(document.get("state_dict"), dict):
        document = document["state_dict"]
    if (
        not isinstance(document, dict)
        or not document
        or not all(isinstance(value, Tensor) for value in document.values())
    ):
        raise CheckpointError(
            f"{name} must hold a state dict of tensors, and does not: "
            "save network.state_dict() with torch.save"
        )
    return {str(key): value for key, value in document.items()}
