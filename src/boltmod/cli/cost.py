"""`boltmod cost`: what a network costs by the challenge's rules, and by stricter ones."""

from __future__ import annotations

import csv
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.strangers import LimitOption, is_own, limits_of
from boltmod.cli.terminal import JsonOption, emit
from boltmod.errors import ConfigError
from boltmod.untrusted import visible

if TYPE_CHECKING:
    from boltmod.cost.inference_cost import Cost
    from boltmod.cost.layers import LayerCost


def cost(
    models: Annotated[
        list[Path],
        typer.Argument(help="ONNX files, or networks that come with boltmod, such as boltnet."),
    ],
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print a line of comma-separated values a layer.")
    ] = False,
    limit: LimitOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count bit operations, weight bits and the scores of MODELS, by layer, and what is special."""
    if as_csv and as_json:
        raise ConfigError("output must be either --csv or --json, not both: leave one out")
    costs = [_counted(path, limit) for path in models]
    documents = [each.as_dict() for each in costs]
    emit(
        documents if len(documents) > 1 else documents[0],
        as_json,
        lambda console: _print_csv(costs) if as_csv else _show(console, costs),
    )


def _counted(model: Path, limit: float | None) -> Cost:
    """The cost of a network; a stranger's is counted in a process of its own."""
    from boltmod.cost import inference_cost

    if is_own(model):
        return inference_cost.count(model)
    from pydantic import TypeAdapter

    from boltmod.confined import confined

    counted = confined(
        "boltmod.cost.inference_cost:count_document", str(model),
        about=model, limits=limits_of(limit),
    )  # fmt: skip
    return TypeAdapter(inference_cost.Cost).validate_python(counted)


def _print_csv(costs: list[Cost]) -> None:
    rows = [
        {"model": each.model} | asdict(layer) | {"output_shape": _shape(layer)}
        for each in costs
        for layer in each.layers
    ]
    writer = csv.DictWriter(sys.stdout, list(rows[0]) if rows else ["model"])
    writer.writeheader()
    for row in rows:
        writer.writerow({name: visible(str(value)) for name, value in row.items()})


def _show(console: Console, costs: list[Cost]) -> None:
    for number, each in enumerate(costs):
        if number:
            console.print()
        console.print(_layer_table(each))
        _show_totals(console, each)
        for finding in each.findings:
            console.print(f"{finding.name}: {finding.message}", markup=False, soft_wrap=True)


def _layer_table(cost: Cost) -> Table:
    table = Table(title=cost.model, title_justify="left")
    for heading in ("layer", "type", "output"):
        table.add_column(heading, overflow="fold")
    for heading in ("non-zero / weights", "MACs"):
        table.add_column(heading, justify="right")
    table.add_column("input × weight", overflow="fold")
    for heading in ("bit operations", "weight bits", "share"):
        table.add_column(heading, justify="right")
    for layer in cost.layers:
        table.add_row(
            layer.name,
            layer.type,
            _shape(layer),
            f"{layer.nonzero_weights:,} / {layer.weights:,}",
            f"{layer.macs:,}",
            f"{layer.act_datatype} × {layer.weight_datatype}",
            f"{layer.bops:,}",
            f"{layer.weight_bits:,}",
            f"{layer.share:.1%}",
        )
    return table


def _show_totals(console: Console, cost: Cost) -> None:
    totals = Table("", "bit operations", "weight bits", "score", box=None)
    for column in totals.columns[1:]:
        column.justify = "right"
    for name, each in (("official", cost), ("strict", cost.strict)):
        if each is None:
            totals.add_row(name, "unknown", "unknown", "unknown")
        else:
            totals.add_row(name, f"{each.bops:,}", f"{each.weight_bits:,}", f"{each.score:.6f}")
    console.print(totals)


def _shape(layer: LayerCost) -> str:
    return "×".join(map(str, layer.output_shape))
