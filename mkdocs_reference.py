"""Two pages of the site that nobody writes: what commands and docstrings say of themselves."""

from __future__ import annotations

import subprocess
import sys

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import boltmod

_PYTHON = """# Python reference
Written from the docstrings of all that is public. [Python](api.md) says what to begin with.

"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add `commands.md` and `reference.md`, which mkdocs calls this for."""
    for name, content in (("commands.md", commands()), ("reference.md", reference())):
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
