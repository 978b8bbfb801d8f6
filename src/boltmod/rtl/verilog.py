"""A circuit as Verilog, by way of Yosys' own intermediate language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from amaranth.back import rtlil

from boltmod.errors import ToolNotFoundError
from boltmod.files import replacing, write_text
from boltmod.rtl.top import Top


def write_verilog(top: Top, path: Path) -> None:
    """Write a circuit, its module called `top`, as one file.

    Args:
        top: The circuit; it can be written once.
        path: The file.

    Raises:
        ToolNotFoundError: Yosys is not there.
    """
    text = rtlil.convert(top, ports=top.ports, name="top", emit_src=False)
    intermediate = path.with_suffix(".il")
    try:
        write_text(intermediate, text)
        with replacing(path) as temporary:
            Yosys().run(
                f"read_rtlil {intermediate}",
                "proc",
                "opt_clean",
                "memory_collect",
                f"write_verilog -norename -noattr {temporary}",
            )
    finally:
        intermediate.unlink(missing_ok=True)


class Yosys:
    """One design in Yosys.

    Raises:
        ToolNotFoundError: It is not there.
    """

    def __init__(self) -> None:
        try:
            from pyosys import libyosys
        except ImportError:
            raise ToolNotFoundError(
                "Yosys is not installed: pip install 'boltmod[hardware]'"
            ) from None
        self._library: Any = libyosys
        self._design: Any = libyosys.Design()

    def run(self, *commands: str) -> None:
        """Run commands, silently."""
        for command in commands:
            self._library.run_pass(command, self._design)
