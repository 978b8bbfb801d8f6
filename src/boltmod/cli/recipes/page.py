"""docs/recipes.md: every key of a recipe, written from the models that check it."""

from __future__ import annotations

from itertools import groupby

from boltmod.cli.recipes.keys import Key, keys, network_keys

_HEAD = """\
# Recipes

A recipe is one TOML file that says everything needed to make a network again.
`boltmod recipes list` shows those that come with boltmod, `boltmod recipes copy demo` writes one
to begin with, and `boltmod run demo` runs one by its name. `boltmod recipes explain KEY` says what
stands here of a key.

Editors that know JSON Schema check a recipe against [recipes.schema.json](recipes.schema.json): put
`#:schema recipes.schema.json` into its first line.

This page and the schema are written from the models that check recipes
(`boltmod recipes reference > docs/recipes.md`,
`boltmod recipes schema > docs/recipes.schema.json`).
SNRs are RadioML's labels in dB, widths are bits, learning rates and weight decays have no unit.
"""


def page() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for table, group in groupby([*keys(), *network_keys()], key=lambda key: key.table):
        parts.append(f"## {_heading(table)}\n\n{_table(list(group))}")
    return "\n".join(parts)


def _heading(table: str) -> str:
    if not table:
        return "At the top"
    first, _, rest = table.partition(".")
    if first == "phases":
        kind, _, inner = rest.partition(".")
        return f'`[[phases]]` with `kind = "{kind}"`' + (f": `[phases.{inner}]`" if inner else "")
    if first == "network" and rest:
        return f'`[network]` with `name = "{rest}"`'
    return f"`[[{table}]]`" if table == "data.mix" else f"`[{table}]`"


def _table(rows: list[Key]) -> str:
    lines = ["| key | may be | default | meaning |", "|---|---|---|---|"]
    for key in rows:
        allowed = ", ".join(part for part in (key.type, key.allowed) if part)
        default = "must be given" if key.default is None else f"`{key.default}`"
        cells = (f"`{key.name}`", allowed, default, key.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
