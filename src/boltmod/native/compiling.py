"""A kernel's library: its C compiled once for each width of vectors, all in one file.

The package's build hook (hatch_build.py) and the first use of an install without a library both
come here, so that there is one way to make it. Only the standard library is imported: when the
package is built, nothing else is there.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

IS_WINDOWS = sys.platform == "win32"

SUFFIX = ".dll" if IS_WINDOWS else ".so"
"""Of a library's file name."""

FLAGS = ("-O3", "-std=gnu11", "-fno-math-errno", "-fno-trapping-math",
          "-Wno-psabi", *(() if IS_WINDOWS else ("-fPIC", "-fvisibility=hidden")))  # fmt: skip
"""Of every kernel."""

_PACKAGE = Path(__file__).resolve().parents[1]

_CHOOSER = Path(__file__).parent / "widths.c"


@dataclass(frozen=True)
class Kernel:
    """A C file of the package, compiled once for each width of vectors.

    Args:
        name: What it is called in messages and file names.
        source: The file, beside which the library lies in a wheel.
        flags: Its own, beside those of all.
        otherwise: What helps whoever cannot have it.
    """

    name: str
    source: Path
    flags: tuple[str, ...]
    otherwise: str

    @property
    def library(self) -> Path:
        """Where a wheel holds its library."""
        return self.source.with_suffix(SUFFIX)

    def facts(self) -> str:
        """What its library depends on: another text, another library."""
        texts = [_with_headers(path) for path in (self.source, _CHOOSER)]
        return "\n".join([*texts, *FLAGS, *self.flags, repr(widths()), *_target()])


def _with_headers(path: Path) -> str:
    """A C file's text, and those of the headers of the package that it includes."""
    text = path.read_text(encoding="utf-8")
    names = re.findall(r'^#include "(.+)"$', text, re.MULTILINE)
    return "\n".join([text, *(_with_headers(path.parent / name) for name in names)])


ENGINE = Kernel(
    "integer engine",
    _PACKAGE / "integer" / "engine" / "kernel.c",
    # No contraction: the one product of floats that must round once does.
    ("-ffp-contract=off",),
    "use --engine onnxruntime",
)

CONVOLUTION = Kernel(
    "convolution",
    _PACKAGE / "nn" / "convolution.c",
    ("-ffp-contract=fast",),
    "train without it, more slowly",
)

LEVEL = Kernel(
    "levelling of frames",
    _PACKAGE / "runtime" / "level.c",
    # No contraction: numpy, where there is no library, rounds every product.
    ("-ffp-contract=off",),
    "classify without it, more slowly",
)

KERNELS = (ENGINE, CONVOLUTION, LEVEL)
"""All that a wheel holds."""

_LIBRARIES = () if IS_WINDOWS else ("-lm",)
"""For processors that do not round by an instruction."""

_AVX512 = ("-mavx2", "-mfma", "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq",
           "-mprefer-vector-width=512")  # fmt: skip

_X86_WIDTHS = {
    "avx512vnni": (*_AVX512, "-mavx512vnni"),
    "avx512": _AVX512,
    "avx2": ("-mavx2", "-mfma"),
    "sse4": ("-msse4.1",),
}
"""Flags of each width, the widest first; widths.c asks the processor for them by these names."""

_OTHER_WIDTHS: dict[str, tuple[str, ...]] = {"plain": ()}
"""Of a processor whose vectors need no flag, such as NEON on AArch64."""


class NoKernelError(Exception):
    """The kernel cannot be compiled; the text says why."""


def compile_library(kernel: Kernel, path: Path) -> None:
    """Compile a kernel's library.

    Args:
        kernel: The kernel.
        path: The file to make; its folder is there.

    Raises:
        NoKernelError: There is no C compiler, or it fails.
    """
    compiler = _compiler()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        objects, reasons = list[Path](), list[str]()
        for name, flags in widths().items():
            made = Path(folder) / f"{name}.o"
            command = [*compiler, *FLAGS, *kernel.flags, *_target(), *flags, f"-DWIDTH_NAME={name}",
                       "-c", "-o", str(made), str(kernel.source)]  # fmt: skip
            reason = _failure(command)
            if reason is None:
                objects.append(made)
            else:  # a compiler that is older than the width
                reasons.append(reason)
        if not objects:
            raise NoKernelError(f"{compiler[0]} fails: {reasons[-1]}")
        held = "".join(f"WIDTH({each.stem})" for each in objects)
        made = Path(folder) / path.name
        reason = _failure(
            [
                *compiler,
                *FLAGS,
                *_target(),
                f"-DHELD={held}",
                "-shared",
                "-o",
                str(made),
                str(_CHOOSER),
                *map(str, objects),
                *_LIBRARIES,
            ]
        )
        if reason is not None:
            raise NoKernelError(f"{compiler[0]} fails: {reason}")
        os.replace(made, path)


def _failure(command: list[str]) -> str | None:
    """Run a compiler; the first line of what it complains about, None where it succeeds."""
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    if ran.returncode == 0:
        return None
    return (ran.stderr.strip() or "no reason given").splitlines()[0]


def _compiler() -> list[str]:
    """The compiler's command: what CC says, or the first that is there.

    Vectors are written as GCC and Clang have them. On Windows it is Clang: Microsoft's compiler has
    no such vectors, and GCC does not align a stack's to 32 bytes there.
    """
    names = ("clang",) if IS_WINDOWS else ("cc", "gcc", "clang")
    for command in (shlex.split(os.environ.get("CC", "")), *([name] for name in names)):
        if command and shutil.which(command[0]):
            return command
    raise NoKernelError("there is no C compiler")


def _target() -> tuple[str, ...]:
    """Flags that name another processor than this one, as Python's builds for macOS give them."""
    if sys.platform != "darwin":
        return ()
    return tuple(shlex.split(os.environ.get("ARCHFLAGS", "")))


def widths() -> dict[str, tuple[str, ...]]:
    """Return the flags of each width of vectors for the processor compiled for, widest first."""
    archs = [flag for flag in _target() if flag != "-arch"]
    machines = archs or [platform.machine().lower()]
    return _X86_WIDTHS if machines in (["x86_64"], ["amd64"]) else _OTHER_WIDTHS
