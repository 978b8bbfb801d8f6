"""The kernel as a shared library: the package's own, or compiled at first use."""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from boltmod.errors import ConfigError, ToolNotFoundError
from boltmod.integer.engine import compiling

WIDTH_VARIABLE = "BOLTMOD_WIDTH"
"""Environment variable that names the width of vectors to take."""


class Kernel:
    """The kernel's library.

    Args:
        path: Its file.

    Raises:
        OSError: It does not load.
    """

    def __init__(self, path: Path) -> None:
        self._library = ctypes.CDLL(str(path))
        name_of = self._library.boltmod_width
        name_of.restype = ctypes.c_char_p
        self.widths: tuple[str, ...] = ()
        """Those that the library holds and the processor has, the widest first."""
        while name := name_of(len(self.widths)):
            self.widths += (name.decode(),)

    def run(self, width: str | None = None) -> Any:
        """Return the kernel's function for a width of vectors, as `chosen` has it."""
        run = getattr(self._library, f"boltmod_run_{self.chosen(width)}")
        run.restype = None
        return run

    def chosen(self, width: str | None = None) -> str:
        """Return the width of vectors that is taken.

        Args:
            width: One of `widths`; the environment's `BOLTMOD_WIDTH`, or the widest, if None.

        Raises:
            ConfigError: The processor has no such width, or the library does not.
            ToolNotFoundError: The processor has none of the library's widths.
        """
        if not self.widths:
            raise ToolNotFoundError(
                "the integer engine needs a processor with SSE4.1, and this has none: "
                "use --engine onnxruntime"
            )
        width = width or os.environ.get(WIDTH_VARIABLE) or self.widths[0]
        if width not in self.widths:
            raise ConfigError(
                f"{WIDTH_VARIABLE} must be one of {', '.join(self.widths)} on this processor, "
                f"not {width!r}: unset it to take the widest"
            )
        return width


@cache
def load() -> Kernel:
    """Return the kernel: the package's own, or, where it has none, compiled if it is not there yet.

    Raises:
        ToolNotFoundError: There is no kernel and no C compiler, or it fails.
    """
    own = compiling.sources()[0].parent / compiling.LIBRARY_NAME
    try:
        path = own if own.exists() else _compiled()
    except (OSError, RuntimeError) as error:  # no home, a full or read-only disk
        raise ToolNotFoundError(
            f"the integer engine needs a cache folder that can be written to, and has none "
            f"({error}): set XDG_CACHE_HOME, or use --engine onnxruntime"
        ) from None
    try:
        return Kernel(path)
    except (OSError, AttributeError) as error:
        raise ToolNotFoundError(
            f"the engine at {path} must load, and does not ({error}): remove that file"
        ) from None


def _compiled() -> Path:
    key = hashlib.sha256(compiling.facts().encode()).hexdigest()[:16]
    path = _cache() / f"engine-{key}{Path(compiling.LIBRARY_NAME).suffix}"
    if not path.exists():
        try:
            compiling.compile_library(path)
        except compiling.NoKernelError as error:
            raise ToolNotFoundError(
                "the integer engine needs its kernel, which this install lacks, or a C compiler "
                f"to make it, and {error}: install gcc or clang, set CC to another compiler, "
                "or use --engine onnxruntime"
            ) from None
    return path


def _cache() -> Path:
    """The user's own cache folder, which no other can write to."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "boltmod"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
