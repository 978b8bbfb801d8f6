"""`boltmod cost`: what a network costs by the challenge's rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.terminal import JsonOption, emit

if TYPE_CHECKING:
    from boltmod.cost.inference_cost import Cost


def cost(
    models: Annotated[list[Path], typer.Argument(help="ONNX files.")],
    as_json: JsonOption = False,
) -> None:
    """Count bit operations, weight bits and the challenge's score of MODELS, by layer."""
    from boltmod.cost import inference_cost
    from boltmod.model import onnx_file

    costs = [inference_cost.count(onnx_file.load(path)) for path in models]
    documents = [each.as_dict() for each in costs]
    emit(
        documents if len(documents) > 1 else documents[0],
        as_json,
        lambda console: _show(console, costs),
    )


def _show(console: Console, costs: list[Cost]) -> None:
    for cost in costs:
        _show_one(console, cost)


def _show_one(console: Console, cost: Cost) -> None:
    table = Table(title=cost.model, title_justify="left")
    for heading in ("layer", "type", "output"):
        table.add_column(heading)
    for heading in ("weights", "non-zero", "MACs"):
        table.add_column(heading, justify="right")
    for heading in ("weight type", "input type"):
        table.add_column(heading)
    for heading in ("bit operations", "weight bits", "share"):
        table.add_column(heading, justify="right")
    for layer in cost.layers:
        table.add_row(
            layer.name,
            layer.type,
            "×".join(map(str, layer.output_shape)),
            f"{layer.weights:,}",
            f"{layer.nonzero_weights:,}",
            f"{layer.macs:,}",
            layer.weight_datatype,
            layer.act_datatype,
            f"{layer.bops:,}",
            f"{layer.weight_bits:,}",
            f"{layer.share:.1%}",
        )
    console.print(table)
    console.print(f"bit operations  {cost.bops:>16,}")
    console.print(f"weight bits     {cost.weight_bits:>16,}")
    console.print(f"score           {cost.score:>16.6f}")
    for finding in cost.findings:
        console.print(f"note: {finding}")
