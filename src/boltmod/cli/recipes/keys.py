"""What a recipe may say, key by key, from the models that check it."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

import boltmod

_FIELD = re.compile(r"(\w+)(?: \([^)]*\))?: (.*)")
_RANGES = {
    "minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "up to {}",
    "exclusiveMaximum": "below {}", "minItems": "at least {} of them", "pattern": "like `{}`",
}  # fmt: skip


_PLAIN = {
    "kind": "What the phase does.",
    "quantised": "Whether the network has its quantisers in this phase.",
    "name": "Which network: one of the package's below, an entry point, or `module:Class`.",
}
"""Of keys whose models say nothing of them, because their names do."""


_SAID_ELSEWHERE = ("quantised", "class_names", "frame_length")
"""Of a network: what phases say, and what `[data]` says."""


@dataclass(frozen=True)
class Key:
    """A key of a recipe.

    Args:
        path: Its tables and it, with dots between; a phase's kind stands for the phase.
        type: What it may be.
        default: What it is if it is not given, in JSON; None if it must be given.
        allowed: Its range, in words.
        meaning: What it says.
    """

    path: str
    type: str
    default: str | None
    allowed: str
    meaning: str

    @property
    def table(self) -> str:
        """The table that it stands in; empty at the top."""
        return self.path.rpartition(".")[0]

    @property
    def name(self) -> str:
        """Its name there."""
        return self.path.rpartition(".")[2]


def schema() -> dict[str, Any]:
    """The JSON schema of a recipe, every key described.

    The descriptions are those of the models' docstrings. It is what a recipe's editor checks with.
    """
    document = boltmod.Recipe.model_json_schema()
    models = {each.__name__: each for each in _heirs(BaseModel)}
    described: dict[str, Any] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    described |= _described(document, boltmod.Recipe)
    described["title"] = "A recipe of boltmod"
    described["$defs"] = {
        name: _described(each, models.get(name)) for name, each in document["$defs"].items()
    }
    return described


def _heirs(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for each in model.__subclasses__():
        yield each
        yield from _heirs(each)


def _described(section: Mapping[str, Any], model: type[BaseModel] | None) -> dict[str, Any]:
    """A table's schema whose keys have the meanings that its docstrings give them."""
    text = str(section.get("description", ""))
    meanings: dict[str, str] = {}
    for base in reversed(model.__mro__ if model is not None else ()):
        if issubclass(base, BaseModel) and base.__module__.startswith("boltmod."):
            meanings |= _meanings(inspect.cleandoc(base.__doc__ or ""))
    properties = {}
    for name, each in section.get("properties", {}).items():
        said = meanings.get(name, _PLAIN.get(name))
        properties[name] = each | ({"description": said} if said else {})
    head = " ".join(re.split(r"\n\s*(?:Attributes|Args|Examples):", text)[0].split())
    return dict(section) | {"description": head, "properties": properties}


def _meanings(docstring: str) -> dict[str, str]:
    """What a docstring in Google's style says of each attribute, in one line each."""
    meanings: dict[str, str] = {}
    name, indent, inside = "", 0, False
    for line in docstring.splitlines():
        here = len(line) - len(line.lstrip())
        if line.strip() in ("Attributes:", "Args:"):
            inside, indent, name = True, here + 4, ""
        elif line.strip() and here < indent:
            inside = False
        elif inside and here == indent and (match := _FIELD.fullmatch(line.strip())):
            name = match[1]
            meanings[name] = match[2]
        elif inside and name and line.strip():
            meanings[name] += " " + line.strip()
    return meanings


def keys() -> list[Key]:
    """Every key of a recipe; those of its network are `network_keys`."""
    document = schema()
    return list(_keys(document, document["$defs"], ""))


def network_keys() -> list[Key]:
    """Every parameter of every network of the package, as `network.NETWORK.PARAMETER`."""
    from pydantic import TypeAdapter

    from boltmod.nn.registry import NETWORKS

    found: list[Key] = []
    for name, network in NETWORKS.items():
        meanings: dict[str, str] = {}
        for base in reversed(network.config_type.__mro__):
            meanings |= _meanings(inspect.cleandoc(base.__doc__ or ""))
        document = TypeAdapter(network.config_type).json_schema()
        described = document | {
            "properties": {
                key: each | {"description": meanings.get(key, "")}
                for key, each in document.get("properties", {}).items()
                if key not in _SAID_ELSEWHERE
            }
        }
        found += _keys(described, document.get("$defs", {}), f"network.{name}")
    return found


def _keys(section: Mapping[str, Any], tables: Mapping[str, Any], path: str) -> Iterator[Key]:
    required = section.get("required", [])
    properties = section.get("properties", {})
    for name, each in sorted(properties.items(), key=lambda item: bool(list(_tables(item[1])))):
        where = f"{path}.{name}" if path else name
        inner = list(_tables(each))
        default = None if name in required else _default(each)
        if not inner:
            yield Key(where, _type(each), default, _allowed(each), each.get("description", ""))
        for reference in inner:
            table = tables[reference.rpartition("/")[2]]
            kind = table.get("properties", {}).get("kind", {}).get("const")
            yield from _keys(table, tables, f"{where}.{kind}" if kind else where)


def _tables(schema: Mapping[str, Any]) -> Iterator[str]:
    """References to the tables that a key may hold."""
    if "$ref" in schema:
        yield schema["$ref"]
    inside = [schema["items"]] if "items" in schema else []
    for each in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *inside):
        yield from _tables(each)


def _default(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema["default"]) if "default" in schema else "null"


def _type(schema: Mapping[str, Any]) -> str:
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return " or ".join(json.dumps(each) for each in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"] if each.get("type") != "null")
    if schema.get("type") == "array":
        inside = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        return f"list of {_type(inside)}"
    words = {"object": "table", "string": "text", "boolean": "true or false"}
    kind = str(schema.get("type", "any"))
    return "path" if schema.get("format") == "path" else words.get(kind, kind)


def _allowed(schema: Mapping[str, Any]) -> str:
    choices = (schema, *schema.get("anyOf", ()))
    return ", ".join(
        words.format(each[rule])
        for each in choices
        for rule, words in _RANGES.items()
        if rule in each
    )
