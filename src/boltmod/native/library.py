"""A kernel as a shared library: the package's own, or compiled at first use."""

from __future__ import annotations

import ctypes
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import Any

from boltmod.errors import ConfigError, ToolNotFoundError
from boltmod.native import compiling
from boltmod.native.compiling import Kernel

WIDTH_VARIABLE = "BOLTMOD_WIDTH"
"""Environment variable that names the width of vectors to take."""


class Library:
    """A kernel's library.

    Args:
        kernel: The kernel.
        path: The library's file.

    Raises:
        OSError: It does not load.
    """

    def __init__(self, kernel: Kernel, path: Path) -> None:
        self._kernel = kernel
        self._library = ctypes.CDLL(str(path))
        name_of = self._library.boltmod_width
        name_of.restype = ctypes.c_char_p
        self.widths: tuple[str, ...] = ()
        """Those that the library holds and the processor has, the widest first."""
        while name := name_of(len(self.widths)):
            self.widths += (name.decode(),)

    def function(self, name: str, width: str | None = None) -> Any:
        """Return one of the kernel's functions for a width of vectors, as `chosen` has it."""
        function = getattr(self._library, f"boltmod_{name}_{self.chosen(width)}")
        function.restype = None
        return function

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
                f"the {self._kernel.name} needs a processor with SSE4.1, and this has none: "
                f"{self._kernel.otherwise}"
            )
        width = width or os.environ.get(WIDTH_VARIABLE) or self.widths[0]
        if width not in self.widths:
            raise ConfigError(
                f"{WIDTH_VARIABLE} must be one of {', '.join(self.widths)} on this processor, "
                f"not {width!r}: unset it to take the widest"
            )
        return width


@cache
def load(kernel: Kernel) -> Library:
    """Return a kernel's library: the package's own, or, where it has none, compiled at first use.

    Raises:
        ToolNotFoundError: There is no library and no C compiler, or it fails.
    """
    try:
        path = kernel.library if kernel.library.exists() else _compiled(kernel)
    except (OSError, RuntimeError) as error:  # no home, a full or read-only disk
        raise ToolNotFoundError(
            f"the {kernel.name} needs a cache folder that can be written to, and has none "
            f"({error}): set XDG_CACHE_HOME, or {kernel.otherwise}"
        ) from None
    try:
        return Library(kernel, path)
    except (OSError, AttributeError) as error:
        raise ToolNotFoundError(
            f"the {kernel.name} at {path} must load, and does not ({error}): remove that file"
        ) from None


def _compiled(kernel: Kernel) -> Path:
    key = hashlib.sha256(kernel.facts().encode()).hexdigest()[:16]
    name = kernel.name.replace(" ", "-")
    path = cache_folder() / f"{name}-{key}{compiling.SUFFIX}"
    if not path.exists():
        try:
            compiling.compile_library(kernel, path)
        except compiling.NoKernelError as error:
            raise ToolNotFoundError(
                f"the {kernel.name} needs its library, which this install lacks, or a C compiler "
                f"to make it, and {error}: install gcc or clang, set CC to another compiler, "
                f"or {kernel.otherwise}"
            ) from None
    return path


def cache_folder() -> Path:
    """The user's own cache folder, which no other can write to."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "boltmod"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
