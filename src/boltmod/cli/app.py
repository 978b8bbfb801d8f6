"""The `boltmod` command: its subcommands, and how errors end it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import typer

from boltmod import __version__, extras
from boltmod.cli import challenge, data
from boltmod.cli.ceiling import ceiling
from boltmod.cli.classify.command import classify
from boltmod.cli.compile import compile_model
from boltmod.cli.cost import cost
from boltmod.cli.evaluate import evaluate
from boltmod.cli.export import export
from boltmod.cli.leaderboard import leaderboard
from boltmod.cli.recipes import command as recipes
from boltmod.cli.report import report
from boltmod.cli.run import run
from boltmod.cli.search import search
from boltmod.cli.serve import serve
from boltmod.cli.terminal import stderr
from boltmod.errors import BoltmodError

app = typer.Typer(
    name="boltmod",
    help="Hardware-efficient automatic modulation classification.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool) -> None:
    if value:
        print(f"boltmod {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    pass


app.command()(run)
app.command()(search)
app.command()(cost)
app.command("compile")(compile_model)
app.command()(export)
app.command()(classify)
app.command()(serve)
app.command()(evaluate)
app.command()(ceiling)
app.command()(report)
app.command()(leaderboard)
app.add_typer(data.app, name="data")
app.add_typer(recipes.app, name="recipes")
app.add_typer(challenge.app, name="challenge")


def main() -> None:
    """Run the command line; 0 on success, 1 on a BoltmodError, 2 on wrong usage, 130 on Ctrl-C."""
    try:
        try:
            app()
        except SystemExit:
            sys.stdout.flush()  # a full disk is an error as any other, not one of the shutdown
            raise
    except BoltmodError as error:
        stderr.print(f"error: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        advice = extras.way_out(error)
        if advice is None:
            raise
        stderr.print(f"error: this {advice}", style="red", markup=False)
        sys.exit(1)
    except KeyboardInterrupt:
        stderr.print("interrupted")
        sys.exit(130)
    except BrokenPipeError:
        _leave_output()
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        reason = f"{where}{error.strerror or error}".splitlines()[0]
        advice = "check the path, its rights and the room on the disk"
        stderr.print(f"error: {reason}; {advice}", style="red", markup=False, soft_wrap=True)
        _leave_output()
        sys.exit(1)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise  # torch has no MemoryError
        stderr.print(
            "error: this needs more memory than there is; take a smaller file, or ask for less",
            style="red", markup=False, soft_wrap=True,
        )  # fmt: skip
        sys.exit(1)


def _leave_output() -> None:
    """Let what could not be printed be: nobody is told twice, at the end, that it could not."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
