"""The kernel as a shared library: compiled once for this processor, kept in the user's cache."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from importlib.resources import files
from pathlib import Path

from boltmod.errors import ToolNotFoundError

_FLAGS = ("-O3", "-std=gnu11", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno",
          "-fno-trapping-math", "-Wno-psabi")  # fmt: skip
"""No contraction: the one product of floats that must round once does."""

_NATIVE = ("-march=native", "-mprefer-vector-width=512")
"""For this processor, with its widest vectors where the compiler knows that word."""


@cache
def load() -> ctypes.CDLL:
    """Return the kernel, compiled if it is not there yet.

    Raises:
        ToolNotFoundError: There is no C compiler, or it fails.
    """
    source = Path(str(files("boltmod.integer.engine") / "kernel.c"))
    try:
        path = _cache() / f"engine-{_key(source)}.so"
        if not path.exists():
            _compile(source, path)
    except (OSError, RuntimeError) as error:  # no home, a full or read-only disk
        raise ToolNotFoundError(
            f"the integer engine needs a cache folder that can be written to, and has none "
            f"({error}): set XDG_CACHE_HOME, or use --engine onnxruntime"
        ) from None
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise ToolNotFoundError(
            f"the engine at {path} must load, and does not ({error}): remove that file"
        ) from None


def _cache() -> Path:
    """The user's own cache folder, which no other can write to."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = root / "boltmod"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _key(source: Path) -> str:
    facts = [
        source.read_text(encoding="utf-8"),
        *_FLAGS,
        *_NATIVE,
        platform.machine(),
        _processor(),
    ]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _processor() -> str:
    """What the processor can do: the library is compiled for it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    flags = [line for line in lines if line.startswith(("flags", "Features"))]
    return flags[0] if flags else platform.processor()


def _compile(source: Path, path: Path) -> None:
    names = (os.environ.get("CC") or "cc", "gcc", "clang")
    compiler = next((name for name in names if shutil.which(name)), None)
    if compiler is None:
        raise ToolNotFoundError(
            "the integer engine needs a C compiler, and there is none: install gcc or clang, "
            "or use --engine onnxruntime"
        )
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        for flags in ((*_FLAGS, *_NATIVE), (*_FLAGS, *_NATIVE[:1]), _FLAGS):
            command = [compiler, *flags, "-o", str(made), str(source)]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode == 0:
                os.replace(made, path)
                return
    reason = (ran.stderr.strip() or "no reason given").splitlines()[0]
    raise ToolNotFoundError(
        f"the integer engine must compile with {compiler}, and does not ({reason}): "
        "set CC to another compiler, or use --engine onnxruntime"
    )
