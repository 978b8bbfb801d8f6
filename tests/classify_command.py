"""`boltmod classify`, and the table that it writes."""

import csv

from typer.testing import CliRunner

from boltmod.cli.app import app


def classify(*arguments):
    return CliRunner().invoke(app, ["classify", *map(str, arguments)], catch_exceptions=False)


def table(path):
    with path.open() as file:
        return list(csv.DictReader(file))
