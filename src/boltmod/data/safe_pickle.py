"""Pickles of nothing but NumPy's arrays: whatever else one asks for is refused, for it runs code.

Source: Python documentation, `pickle`, "Restricting Globals"; RadioML 2016.10a and b are pickles of
Python 2, a dictionary from (class name, SNR) to frames (n, 2, 128).
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from boltmod.errors import DataFormatError, first_line

_ALLOWED = {
    ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode"),
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core")
      for name in ("_reconstruct", "scalar")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
}  # fmt: skip
"""What makes arrays, numbers and dtypes again, under its names of all versions."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> Any:
        if (module, name) in _ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which may run code")


def load(path: Path) -> Any:
    """Read a pickle of Python 2 or 3.

    Raises:
        DataFormatError: It is none, is damaged, or holds more than arrays, numbers and text.
    """
    try:
        with path.open("rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except Exception as error:  # noqa: BLE001  a damaged pickle can raise anything
        raise DataFormatError(
            f"{path} must be a pickle of NumPy's arrays and nothing else, which it is not "
            f"({first_line(error)}): take the data set's own file"
        ) from None
