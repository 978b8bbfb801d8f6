"""A circuit as Verilog, by way of Yosys' own intermediate language."""

from __future__ import annotations

import os
from pathlib import Path

from amaranth.back import rtlil

from boltmod.files import write_text
from boltmod.rtl.tools import yosys
from boltmod.rtl.top import Top


def write_verilog(top: Top, folder: Path) -> None:
    """Write a circuit as `top.il` and `top.v`, and `chip.v`, which has no ports for tests.

    Args:
        top: The circuit; it can be written once.
        folder: Where the files go.

    Raises:
        ToolNotFoundError: Yosys is not there.
    """
    text = rtlil.convert(top, ports=top.ports, name="top", emit_src=False)
    write_text(folder / "top.il", text)
    written = folder / "top.v.part"
    yosys(
        folder, "read_rtlil top.il", "proc", "opt_clean", "memory_collect",
        f"write_verilog -norename -noattr {written.name}",
    )  # fmt: skip
    os.replace(written, folder / "top.v")
    (folder / "yosys.log").unlink()
    write_text(folder / "chip.v", chip(top))


def chip(top: Top) -> str:
    """Return the module whose ports are the chip's pins."""
    inputs = [top.in_valid, top.in_first, top.in_i, top.in_q, top.out_ready]
    outputs = [top.in_ready, top.out_valid, top.out_label, top.out_score]
    ports = ["    input clk", "    input rst"]
    ports += [f"    input [{len(each) - 1}:0] {each.name}" for each in inputs]
    ports += [f"    output [{len(each) - 1}:0] {each.name}" for each in outputs]
    names = ["clk", "rst", *(each.name for each in (*inputs, *outputs))]
    connected = ", ".join(f".{name}({name})" for name in names)
    return (
        "// The circuit as it is placed: without the scores of all classes.\n"
        "module chip (\n" + ",\n".join(ports) + "\n);\n"
        f"    top top ({connected}, .out_scores());\nendmodule\n"
    )
