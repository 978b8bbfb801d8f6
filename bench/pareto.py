"""Accuracy and cost of every quantised phase of some runs, published networks beside them.

    python bench/pareto.py runs/boltnet --frames-per-cell 64 --beside MODEL.onnx \
        --picture pareto.png --models FOLDER

Each phase's network is exported, counted and measured on frames of the twin that no training saw,
as `boltmod evaluate` would. Prints a table, in the order given; draws all of them; with --models
leaves the exported networks as RUN-PHASE.onnx.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import onnx
import torch

from boltmod.cost import inference_cost
from boltmod.cost.published import Result
from boltmod.data.class_order import columns
from boltmod.evaluation.frames import EVALUATION_SEED, twin_frames
from boltmod.evaluation.metrics import evaluate
from boltmod.evaluation.pareto import accuracy_over_score
from boltmod.export.qonnx import trace
from boltmod.model.metadata import Metadata
from boltmod.model.onnx_file import Model, load
from boltmod.run_folder import RunFolder
from boltmod.runtime.session import Classifier
from boltmod.signal.profile import TWIN
from boltmod.train.checkpoint import open_trainee


def main() -> None:
    arguments = parser().parse_args()
    torch.set_num_threads(arguments.threads)
    results: list[Result] = []
    print("| network | score | strict | bit operations | weight bits | accuracy | from +10 dB |")
    print("|---|---|---|---|---|---|---|")
    for name, model in networks(arguments.runs, arguments.beside):
        if arguments.models is not None:
            arguments.models.mkdir(parents=True, exist_ok=True)
            onnx.save(model.proto, arguments.models / f"{name.replace(' ', '-')}.onnx")
        results.append(measured(name, model, arguments.frames_per_cell, arguments.threads))
    if arguments.picture is not None:
        picture = accuracy_over_score(tuple(results), title="All measured on the twin.")
        picture.savefig(arguments.picture, bbox_inches="tight")


def networks(runs: list[Path], beside: list[Path]) -> Iterator[tuple[str, Model]]:
    """Yield name and model of the networks to compare with, then of every quantised phase."""
    for path in beside:
        yield path.stem, load(path)
    for run in runs:
        for phase in RunFolder(run).finished:
            found = open_trainee(phase)
            if found.config.quantised:
                facts = Metadata(classes=found.config.classes)
                yield f"{run.name} {phase.parent.name}", Model(trace(found.network, facts), facts)


def measured(name: str, model: Model, frames_per_cell: int, threads: int) -> Result:
    """Print a network's row and return it."""
    cost = inference_cost.count(model)
    frames = twin_frames(frames_per_cell, EVALUATION_SEED, TWIN)
    classifier = Classifier(model, threads)
    order = columns(classifier.classes)
    found = evaluate(
        lambda iq_planes: classifier.logits(iq_planes, scale=False)[:, order],
        frames.batches,
        data=frames.words,
    )
    strict = None if cost.strict is None else cost.strict.score
    print(
        f"| {name} | {cost.score:.6f} | {'' if strict is None else f'{strict:.6f}'} "
        f"| {cost.bops:,.0f} | {cost.weight_bits:,.0f} | {found.accuracy:.2%} "
        f"| {found.accuracy_from(10):.2%} |",
        flush=True,
    )
    return Result(
        name=name,
        accuracy=found.accuracy,
        score=cost.score,
        measured_on=found.data,
        source="",
        bops=int(cost.bops),
        weight_bits=int(cost.weight_bits),
        strict_score=strict,
        is_own=True,
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    made.add_argument("runs", nargs="*", type=Path, help="run folders")
    made.add_argument("--beside", nargs="*", type=Path, default=[], help="ONNX files")
    made.add_argument("--frames-per-cell", type=int, default=40)
    made.add_argument("--threads", type=int, default=1)
    made.add_argument("--picture", type=Path)
    made.add_argument("--models", type=Path, help="folder for the exported networks")
    return made


if __name__ == "__main__":
    main()
