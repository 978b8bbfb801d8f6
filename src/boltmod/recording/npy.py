"""Samples that NumPy has saved: complex ones, pairs of I and Q, or real ones.

Source: NumPy, "NEP 1: A Simple File Format for NumPy Arrays".
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from boltmod.errors import DataFormatError
from boltmod.recording.raw import RawRecording, SampleFormat

SUFFIX = ".npy"


def open_npy(path: Path) -> RawRecording:
    """Open an array: (n,) complex, (n, 2) of I and Q, or (n,) real.

    Raises:
        DataFormatError: It is no array, or one of another shape or type.
    """
    if not path.is_file():
        raise DataFormatError(f"{path} must be a readable file, and is none: check the name")
    try:
        # Mapped, so that the samples stay where they are; pickles, which can run code, are refused.
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, OSError, EOFError, SyntaxError, TypeError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataFormatError(
            f"{path} must be an array that NumPy can read, which it is not ({reason}): "
            "save it again"
        ) from None
    if not isinstance(array, np.memmap):
        raise DataFormatError(f"{path} must hold samples, and is empty: record again")
    shape, kind = array.shape, array.dtype.kind
    is_pair = array.ndim == 2 and shape[1] == 2 and kind != "c" and array.flags.c_contiguous
    if array.ndim != 1 and not is_pair:
        raise DataFormatError(
            f"{path} must hold an array of shape (n,), or (n, 2) of I and Q in turn, "
            f"not {shape}: save it so"
        )
    datatype = ("r" if not is_pair and kind != "c" else "c") + _component(array.dtype, path)
    return RawRecording(
        path,
        SampleFormat.named(datatype),
        offset_bytes=int(array.offset),
        n_bytes=array.dtype.itemsize * math.prod(shape),
    )


def _component(dtype: np.dtype[np.generic], path: Path) -> str:
    """SigMF's name for what each component is, I or Q or a real sample."""
    n_bits = 8 * dtype.itemsize // (2 if dtype.kind == "c" else 1)
    letter = {"c": "f"}.get(dtype.kind, dtype.kind)
    order = "" if n_bits == 8 else ("_be" if dtype.str[0] == ">" else "_le")
    name = f"{letter}{n_bits}{order}"
    if f"r{name}" not in [each.sigmf_datatype for each in SampleFormat]:
        raise DataFormatError(
            f"{path} must hold floats of 32 or 64 bits or integers of 8, 16 or 32, "
            f"not {dtype.name}: save it so"
        )
    return name
