"""`boltmod recipes`: list, copy, explain, and the schema and page of every key."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from boltmod.cli.terminal import JsonOption, emit

app = typer.Typer(help="Recipes that come along, and what one may say.", no_args_is_help=True)


@app.command("list")
def list_recipes(as_json: JsonOption = False) -> None:
    """List the recipes that come with boltmod."""
    from boltmod.cli.recipes import shipped

    about = {name: shipped.about(shipped.path_of(name)) for name in shipped.names()}

    def show(console: Console) -> None:
        drawn = Table("recipe", "what it makes", box=None)
        for name, words in about.items():
            short = words.partition(": - ")[0].partition(". ")[0]
            drawn.add_row(name, short)
        console.print(drawn)

    emit([{"name": name, "about": words} for name, words in about.items()], as_json, show)


@app.command("copy")
def copy(
    name: Annotated[str, typer.Argument(help="A recipe of `boltmod recipes list`.")],
    out: Annotated[
        Path | None, typer.Argument(help="The file to write; NAME.toml here if not given.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a copy of a recipe, to change and run."""
    from boltmod.cli.recipes import shipped
    from boltmod.files import check_target, refuse_existing, write_text

    text = shipped.path_of(name).read_text(encoding="utf-8")
    path = Path(f"{name}.toml") if out is None else out
    check_target(path, (".toml",), "recipe")
    refuse_existing(path, force)
    write_text(path, text)
    emit({"path": path}, as_json, lambda console: console.print(str(path), markup=False))


@app.command("explain")
def explain(
    key: Annotated[
        str, typer.Argument(help="A key, such as data.scale, phases.prune.fraction or only scale.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Say what a recipe's KEY means, what it may be, and what it is if it is not given."""
    import difflib

    from boltmod.cli.recipes.keys import keys, network_keys
    from boltmod.errors import ConfigError

    known = keys()
    if key.startswith("network.") or not any(_is_meant(each.path, key) for each in known):
        known += network_keys()
    meant = [each for each in known if _is_meant(each.path, key)]
    if not meant:
        words = sorted({each.path for each in known} | {each.name for each in known})
        near = difflib.get_close_matches(key, words, n=1)
        hint = f"did you mean {near[0]}?" if near else "look at docs/recipes.md"
        raise ConfigError(f"key must be one that recipes have, not {key!r}: {hint}")

    def show(console: Console) -> None:
        for each in meant:
            default = "must be given" if each.default is None else f"default {each.default}"
            allowed = f", {each.allowed}" if each.allowed else ""
            console.print(f"[bold]{each.path}[/]: {each.type}{allowed}; {default}", soft_wrap=True)
            console.print(f"  {each.meaning}", markup=False, soft_wrap=True)

    emit([asdict(each) for each in meant], as_json, show)


def _is_meant(path: str, key: str) -> bool:
    return path == key or path.startswith(f"{key}.") or path.endswith(f".{key}")


@app.command("schema")
def schema() -> None:
    """Print the JSON schema of a recipe, for editors."""
    from boltmod.cli.recipes import keys

    sys.stdout.write(json.dumps(keys.schema(), indent=1) + "\n")


@app.command("reference")
def reference() -> None:
    """Print the page of every key, in Markdown."""
    from boltmod.cli.recipes.page import page

    sys.stdout.write(page())
