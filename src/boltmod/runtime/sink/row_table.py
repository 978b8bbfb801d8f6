"""Rows of many recordings as one table: Parquet, CSV or JSON lines."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from boltmod.errors import ToolNotFoundError
from boltmod.files import check_target, replacing
from boltmod.runtime.survey import Row

SUFFIXES = (".parquet", ".csv", ".jsonl")
_COLUMNS = {each.name: str(each.type).removesuffix(" | None") for each in fields(Row)}


def check(path: Path) -> None:
    """Refuse a name that no table can be written to.

    Raises:
        ConfigError: Its ending is none of those, or its folder does not exist.
        ToolNotFoundError: It is Parquet, and pyarrow is not installed.
    """
    check_target(path, SUFFIXES, "output of several recordings")
    if path.suffix == ".parquet":
        _pyarrow()


def write(path: Path, rows: Sequence[Row]) -> None:
    """Write rows to a file, whole or not at all."""
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            _write_parquet(temporary, rows)
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                table = csv.writer(file, lineterminator="\n")
                table.writerow(_COLUMNS)
                table.writerows(row.as_dict().values() for row in rows)
            else:
                file.writelines(json.dumps(r.as_dict(), allow_nan=False) + "\n" for r in rows)


def _write_parquet(path: Path, rows: Sequence[Row]) -> None:
    pyarrow = _pyarrow()
    kinds = {
        "str": pyarrow.string(), "int": pyarrow.int64(), "float": pyarrow.float64(),
        "bool": pyarrow.bool_(),
    }  # fmt: skip
    schema = pyarrow.schema([(name, kinds[kind]) for name, kind in _COLUMNS.items()])
    table = pyarrow.Table.from_pylist([row.as_dict() for row in rows], schema=schema)
    pyarrow.parquet.write_table(table, path)


def _pyarrow() -> Any:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise ToolNotFoundError(
            "pyarrow must be installed to write Parquet, and is not: install it with "
            "pip install 'boltmod[parquet]', or write .csv"
        ) from None
    return pyarrow
