"""Tables of a TOML file: read, validated, and refused in one line that names the way out."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from boltmod.errors import ConfigError
from boltmod.untrusted import parse_toml, read_bytes

_MOST_BYTES = 1 << 20
"""Of a recipe, or of a search space."""

_UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls a key that a table does not have."""


class Section(BaseModel):
    """A table: frozen, deaf to no misspelt key, and without numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


_Table = TypeVar("_Table", bound=Section)


def read_table(path: Path | str, what: str) -> dict[str, Any]:
    """Read a TOML file.

    Args:
        path: The file.
        what: What it should be, for the message.

    Raises:
        ConfigError: The file is missing, or is not TOML.
    """
    try:
        content = read_bytes(Path(path), _MOST_BYTES, f"a {what}", ConfigError)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read as a {what} ({error})") from None
    return parse_toml(content, Path(path), ConfigError)


def validated(kind: type[_Table], document: dict[str, Any]) -> _Table:
    """Return the table that a document says.

    Raises:
        ConfigError: It says something that the table cannot say.
    """
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        raise ConfigError(one_line(error, kind)) from None
    except RecursionError:
        name = kind.__name__.lower()
        raise ConfigError(f"{name}: its values lie too deep in each other") from None


def one_line(error: ValidationError, kind: type[Any]) -> str:
    """Return what is wrong first, where, and the way out, in one line.

    Args:
        error: What pydantic found.
        kind: The table it was found in, or a dataclass of parameters: a misspelt key may be meant
            to be one of its own, or of the tables in it.
    """
    # A misspelt key also makes the right one look missing: the misspelling is the news.
    first = sorted(error.errors(), key=lambda found: found["type"] not in _UNKNOWN_KEY)[0]
    where = _where(first["loc"], kind)
    if first["type"] in _UNKNOWN_KEY:
        return f"{where} is not a known key{_nearest(str(first['loc'][-1]), kind)}"
    if first["type"] == "missing":
        return f"{where} is missing"
    if first["type"] == "value_error":
        return f"{where}: {first['msg'].removeprefix('Value error, ')}"
    if first["type"].startswith("union_tag"):
        context = first.get("ctx", {})
        return f"{where}.kind must be one of {context.get('expected_tags', 'the known kinds')}"
    rule = first["msg"].removeprefix("Input should be ").replace("Input should", "should")
    return f"{where} must be {rule}, not {first['input']!r}"


def _where(location: tuple[int | str, ...], kind: type[Any]) -> str:
    """Return a place in a document; pydantic puts a table's kind into it, the document does not."""
    tags = {tag for table in _tables(kind) for tag in _kinds(table)}
    parts = [
        str(part)
        for i, part in enumerate(location)
        if not (i and isinstance(location[i - 1], int) and part in tags)
    ]
    return ".".join(parts) or kind.__name__.lower()


def _nearest(key: str, kind: type[Any]) -> str:
    known = sorted({name for table in _tables(kind) for name in _keys(table)})
    near = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _tables(kind: type[Any]) -> set[type[Any]]:
    """Return a table and all tables in it."""
    found = {kind}
    if issubclass(kind, BaseModel):
        for field in kind.model_fields.values():
            for inner in _classes(field.annotation):
                if issubclass(inner, BaseModel):
                    found |= _tables(inner)
    return found


def _classes(annotation: Any) -> Iterator[type[Any]]:
    if isinstance(annotation, type) and not get_args(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from _classes(inner)


def _keys(table: type[Any]) -> list[str]:
    if issubclass(table, BaseModel):
        return list(table.model_fields)
    return [each.name for each in dataclasses.fields(table)]


def _kinds(table: type[Any]) -> tuple[Any, ...]:
    """Return the words by which a table says which of several it is."""
    if issubclass(table, BaseModel) and "kind" in table.model_fields:
        return get_args(table.model_fields["kind"].annotation)
    return ()
