"""What requantisation by powers of two alone would save in hardware, before anything is trained.

    pip install 'boltmod[hardware]'
    python bench/powers_of_two.py boltnet:8:ecp5-85k

A network trained for it has weights and activations whose scales are powers of two and batch
normalisations whose gains are: then each channel is requantised by one addition and a shift. Here
the gain of each channel of a network as it is goes to the nearest power of two, with the middle of
its staircase where it was; a rectifier's first step stays. The weights stay what they are, so that
what is saved is what requantisation takes. It says nothing of accuracy: that takes a training.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from boltmod.integer.build import build
from boltmod.integer.form import Integers, Program, Requantise
from boltmod.integer.multiply import HARDWARE, with_multiplications
from boltmod.model import onnx_file
from boltmod.rtl import folder
from boltmod.rtl.adders import signed_digits
from boltmod.rtl.device import DEVICES


def with_powers_of_two(program: Program) -> Program:
    """Return the program with every requantisation's gains at the nearest power of two."""
    steps = {step.name: step for step in program.steps}
    return replace(program, steps=tuple(
        _rounded(step, np.array([[steps[s].low, steps[s].high] for s in step.sources]))
        if isinstance(step, Requantise) else step
        for step in program.steps
    ))  # fmt: skip


def _rounded(step: Requantise, reach: Integers) -> Requantise:
    """Round a step's gains.

    Args:
        step: The requantisation.
        reach: Ends of each source's channels, (sources, 2, channels).
    """
    coefficients, thresholds = step.coefficients.copy(), step.thresholds.copy()
    for channel in range(step.shape[0]):
        before = step.coefficients[:, channel]
        ends = before[:, np.newaxis] * reach[:, :, channel]
        low, high = int(ends.min(1).sum()), int(ends.max(1).sum())
        t = step.thresholds[channel].astype(float)
        inner = np.flatnonzero((t > low) & (t <= high))
        if not len(inner) or not np.abs(before).max():
            continue
        # Sums of two scales: their ratio is rounded too, and the unit is the smaller one's.
        exponents = np.round(np.log2(np.abs(before) / np.abs(before).min()))
        after = np.sign(before) * 2 ** exponents.astype(np.int64)
        unit = np.abs(before).sum() / np.abs(after).sum()
        rise = (t[inner[-1]] - t[inner[0]]) / max(len(inner) - 1, 1) / unit
        run = 2.0 ** np.round(np.log2(rise)) if rise > 0 else 1.0
        fixed = inner[0] if step.lowest == 0 else inner[len(inner) // 2]
        coefficients[:, channel] = after
        thresholds[channel] = np.ceil(t[fixed] / unit + (np.arange(len(t)) - fixed) * run)
    return replace(step, coefficients=coefficients, thresholds=thresholds, multiply=None)


def n_digits(program: Program) -> float:
    """Return the signed digits of a channel's factors, on average over those that vary."""
    each = [
        sum(len(signed_digits(abs(int(f)))) for f in step.multiply.factors[:, channel])
        for step in with_multiplications(program, HARDWARE).steps
        if isinstance(step, Requantise) and step.multiply is not None
        for channel in np.flatnonzero(step.multiply.factors.any(0))
    ]
    return float(np.mean(each))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("design", metavar="MODEL:SAMPLES:PART")
    arguments = parser.parse_args()
    model, samples, part = arguments.design.rsplit(":", 2)
    trained = build(onnx_file.load(Path(model)))
    wanted = folder.Wanted(DEVICES[part], int(samples), is_synthesised=True)
    print("| gains | digits a channel | LUT | FF | DSP | BRAM |")
    print("|---|---|---|---|---|---|")
    luts = []
    for gains, program in (
        ("powers of two", with_powers_of_two(trained)), ("as trained", trained),
    ):  # fmt: skip
        with tempfile.TemporaryDirectory(prefix="boltmod-") as name:
            taken = folder.write(program, Path(name), wanted)["synthesis"]
        cells = [f"{taken[kind]:,}" for kind in ("lut", "ff", "dsp", "bram")]
        luts.append(taken["lut"])
        print("| " + " | ".join([gains, f"{n_digits(program):.2f}", *cells]) + " |", flush=True)
    print(f"powers of two take {luts[0] / luts[1]:.1%} of the tables")


if __name__ == "__main__":
    main()
