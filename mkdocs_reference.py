"""Pages of the site that nobody writes: of commands, of docstrings, and the leaderboard."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import boltmod
from boltmod.challenge import entry
from boltmod.cost.published import PUBLISHED, Result, ranked
from boltmod.cost.trained import TRAINED, TWIN_CEILING
from boltmod.evaluation.pareto import accuracy_over_score
from boltmod.evaluation.plots import save

_ENTRIES = Path(__file__).parent / "leaderboard"
_BOARD = """# Leaderboard
The cheapest first; accuracies on different frames stand side by side and are not comparable.
Published ones are their authors', on the challenge's test split. What is possible at all is 71.0 %
of the twin's frames ([the ceiling](results.md)). Your own network comes onto this page by a pull
request with the entry that `boltmod leaderboard submit` wrote, in the folder `leaderboard/`
([how it is audited](challenge.md)).

![Accuracy over score of all networks below](leaderboard.png)

| network | accuracy | score | strict score | accuracy measured on | source |
|---|---|---|---|---|---|
"""
_PYTHON = """# Python reference
Written from the docstrings of all that is public. [Python](api.md) says what to begin with.

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add them, which mkdocs calls this for."""
    results = ranked((*PUBLISHED, *TRAINED, *map(entry.read, sorted(_ENTRIES.glob("*.json")))))
    made = {
        "commands.md": commands(),
        "reference.md": reference(),
        "leaderboard.md": board(results),
        "leaderboard.png": picture(results),
    }
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def commands() -> str:
    """Every command with its arguments and options, as typer writes them."""
    asked = ["-m", "typer", "boltmod.cli.app", "utils", "docs", "--name", "boltmod"]
    done = subprocess.run([sys.executable, *asked], check=True, capture_output=True, text=True)
    return done.stdout.replace("# `boltmod`", "# Commands", 1)


def reference() -> str:
    """A place for each public name's docstring, which mkdocstrings fills."""
    names = [each for each in boltmod.__all__ if not each.startswith("__")]
    return _PYTHON + "\n".join(f"::: boltmod.{each}\n" for each in names)


def board(results: list[Result]) -> str:
    """Every result, a row each."""
    rows = (
        f"| {each.name} | {each.accuracy:.2%} | {each.score:.6f} "
        f"| {'–' if each.strict_score is None else f'{each.strict_score:.6f}'} "
        f"| {each.measured_on} | {each.source}{each.remarks and '; '}{each.remarks} |"
        for each in results
    )
    return _BOARD + "\n".join(rows) + "\n"


def picture(results: list[Result]) -> bytes:
    """Accuracy over score, a PNG."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "leaderboard.png"
        save(accuracy_over_score(tuple(results), ceiling=TWIN_CEILING), path)
        return path.read_bytes()
