"""Samples that NumPy has saved: complex ones, I and Q in columns, rows or fields, or real ones.

Source: NumPy, "NEP 1: A Simple File Format for NumPy Arrays".
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from boltmod.errors import DataFormatError
from boltmod.recording.raw import RawRecording, SampleFormat
from boltmod.untrusted import read_by

SUFFIX = ".npy"
_WIDENED: dict[str, np.dtype[Any]] = {"f2": np.dtype("<f4"), "i8": np.dtype("<f8")}
"""What becomes of types of number that no sample format has."""


def open_npy(path: Path) -> RawRecording:
    """Open an array: (n,) complex, (n, 2) or (2, n) of I and Q, (n,) of two fields, or (n,) real.

    A dimension of one is passed over.

    Raises:
        DataFormatError: It is no array, or one of another shape or type.
    """
    array = _mapped(path)
    pairs = _pairs(array, path)
    letter = "c" if pairs.ndim == 2 or pairs.dtype.kind == "c" else "r"
    datatype = letter + _component(_WIDENED.get(pairs.dtype.str[1:], pairs.dtype))
    if datatype not in [each.sigmf_datatype for each in SampleFormat]:
        raise DataFormatError(
            f"{path} must hold floats of 16, 32 or 64 bits or integers of 8, 16, 32 or 64, "
            f"not {array.dtype.name}: save it so"
        )
    sample_format = SampleFormat.named(datatype)
    lies_so = pairs.flags.c_contiguous and pairs.dtype.str[1:] not in _WIDENED
    return RawRecording(
        path,
        sample_format,
        offset_bytes=int(array.offset) if lies_so else 0,
        n_bytes=len(pairs) * sample_format.sample_bytes,
        opened=None if lies_so else _in_turn,
    )


def _mapped(path: Path) -> np.memmap[Any, Any]:
    with read_by("numpy", path, "an array that NumPy can read", "save it again"):
        # Mapped, so that the samples stay where they are; pickles, which can run code, are refused.
        array = np.lib.format.open_memmap(path, mode="r")
    if not isinstance(array, np.memmap):
        raise DataFormatError(f"{path} must hold samples, and is empty: record again")
    return array


def _pairs(array: NDArray[Any], path: Path) -> NDArray[Any]:
    """Samples as (n,), or I and Q as (n, 2), wherever they lie."""
    shape = array.shape
    if 1 in shape and math.prod(shape) > 1:
        array = array.squeeze()
    fields = array.dtype.names
    if fields is not None and array.ndim == 1 and len(fields) == 2:
        first, second = (array.dtype[each] for each in fields)
        if first == second and array.dtype.itemsize == 2 * first.itemsize:
            return array.view(first).reshape(-1, 2)
    elif array.ndim == 1 and fields is None:
        return array
    elif array.ndim == 2 and 2 in array.shape and array.dtype.kind != "c" and fields is None:
        return array if array.shape[1] == 2 else array.T
    raise DataFormatError(
        f"{path} must hold an array of shape (n,), or (n, 2) or (2, n) of I and Q, "
        f"not {shape}: save it so"
    )


def _component(dtype: np.dtype[Any]) -> str:
    """SigMF's name for what each component is, I or Q or a real sample."""
    n_bits = 8 * dtype.itemsize // (2 if dtype.kind == "c" else 1)
    letter = {"c": "f"}.get(dtype.kind, dtype.kind)
    order = "" if n_bits == 8 else ("_be" if dtype.str[0] == ">" else "_le")
    return f"{letter}{n_bits}{order}"


def _in_turn(path: Path) -> IO[bytes]:
    return cast(IO[bytes], _InTurn(path))


class _InTurn(io.RawIOBase):
    """An array as a file of its components, I and Q in turn.

    Args:
        path: The array's file.
    """

    def __init__(self, path: Path) -> None:
        pairs = _pairs(_mapped(path), path)
        self._rows = pairs if pairs.ndim == 2 else pairs[:, np.newaxis]
        self._dtype = _WIDENED.get(pairs.dtype.str[1:], pairs.dtype)
        self._row_bytes = self._dtype.itemsize * self._rows.shape[1]
        self._place = 0

    def seek(self, place: int, whence: int = io.SEEK_SET, /) -> int:
        self._place = place
        return place

    def read(self, n_bytes: int = -1, /) -> bytes:
        row, skipped = divmod(self._place, self._row_bytes)
        n_rows = -(-(skipped + n_bytes) // self._row_bytes)
        content: bytes = self._rows[row : row + n_rows].astype(self._dtype).tobytes()
        content = content[skipped : skipped + n_bytes]
        self._place += len(content)
        return content
