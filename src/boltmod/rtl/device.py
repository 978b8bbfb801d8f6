"""Parts that free tools place on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A part.

    Args:
        name: What boltmod calls it.
        family: `ecp5` or `ice40`.
        options: What nextpnr is told of it.
        luts: Tables of four inputs.
        flip_flops: Registers of a bit.
        dsps: Multipliers.
        brams: Blocks of memory.
        large_rams: Blocks of large memory.
        pins: Pins for signals, where they may be too few.
    """

    name: str
    family: str
    options: tuple[str, ...]
    luts: int
    flip_flops: int
    dsps: int
    brams: int
    large_rams: int = 0
    pins: int | None = None

    @property
    def capacity(self) -> dict[str, int]:
        """What there is of each kind, by the names of a report."""
        return {"lut": self.luts, "ff": self.flip_flops, "dsp": self.dsps, "bram": self.brams,
                "spram": self.large_rams}  # fmt: skip


DEVICES = {
    each.name: each
    for each in (
        Device("ecp5-85k", "ecp5", ("--85k", "--package", "CABGA756", "--speed", "6"),
               83640, 83640, 156, 208),
        Device("ecp5-25k", "ecp5", ("--25k", "--package", "CABGA381", "--speed", "6"),
               24288, 24288, 28, 56),
        Device("up5k", "ice40", ("--up5k", "--package", "sg48"), 5280, 5280, 8, 30, 4, 39),
    )
}  # fmt: skip
"""By name. Source: Lattice, ECP5 family data sheet FPGA-DS-02012, iCE40 UltraPlus FPGA-DS-02008."""

CELLS: dict[str, dict[str, tuple[str, int]]] = {
    "ecp5": {
        "LUT4": ("lut", 1),
        "CCU2C": ("lut", 2),
        "TRELLIS_DPR16X4": ("lut", 6),
        "TRELLIS_FF": ("ff", 1),
        "MULT18X18D": ("dsp", 1),
        "DP16KD": ("bram", 1),
    },
    "ice40": {
        "SB_LUT4": ("lut", 1),
        "SB_MAC16": ("dsp", 1),
        "SB_RAM40_4K": ("bram", 1),
        "SB_SPRAM256KA": ("spram", 1),
    },
}
"""What Yosys' cells are counted as, and how many times."""


def counted(family: str, cells: dict[str, int]) -> dict[str, int]:
    """Return what a netlist takes of each kind.

    Args:
        family: Of the device.
        cells: How many there are of each cell.
    """
    found = {"lut": 0, "ff": 0, "dsp": 0, "bram": 0, "spram": 0}
    for cell, n in cells.items():
        if family == "ice40" and cell.startswith("SB_DFF"):
            found["ff"] += n
        elif cell in CELLS[family]:
            kind, times = CELLS[family][cell]
            found[kind] += n * times
    return found
